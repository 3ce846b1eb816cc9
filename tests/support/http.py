"""Calling the application in the test's own event loop, where its database connections live."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from httpx import ASGITransport, AsyncClient
from litestar import Litestar

from qs.container import Container
from qs.interface.dashboard.routers import dashboard_routers
from qs.interface.rest.app import create_app

_apps: dict[str, tuple[Litestar, str]] = {}


def app_over(container: Container) -> Litestar:
    """The application as it is served. One that an earlier test has done with is used again: to make one takes long."""
    settings = container.settings()
    server = settings.server
    # All of the settings that an application is made from; the rest it asks its container for.
    made_from = repr(
        (
            settings.lang,
            settings.scheduler.results_path,
            server.metrics_public,
            server.trusted_proxies,
            server.cors_origins,
        )
    )
    test = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0]
    app, used_by = _apps.get(made_from, (None, ""))
    if app is None or used_by == test:
        app = create_app(container, pages=dashboard_routers())
    else:
        for name in list(app.state):
            del app.state[name]
        app.state.update({"container": container, "ready": False})
    _apps[made_from] = app, test
    return app


@asynccontextmanager
async def serving(
    app: Litestar, *, token: str | None = None, peer: str = "127.0.0.1"
) -> AsyncIterator[AsyncClient]:
    """A client of the started application; with ``token``, one that is logged in; it calls from ``peer``.

    litestar's own test clients run the application in another thread's loop.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        _started(app),
        AsyncClient(
            transport=ASGITransport(app, client=(peer, 123)),  # type: ignore[arg-type]
            base_url="http://qs.test",
            headers=headers,
        ) as client,
    ):
        yield client


@asynccontextmanager
async def _started(app: Litestar) -> AsyncIterator[None]:
    """The lifespan in a task of its own: a fixture is entered in one task and left in another, it must not be."""
    up, down = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            up.set()
            await down.wait()

    life = asyncio.create_task(live())
    waiting = asyncio.create_task(up.wait())
    await asyncio.wait({life, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    try:
        if not life.done():
            yield
    finally:
        down.set()
        await life
