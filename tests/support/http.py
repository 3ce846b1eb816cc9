"""Calling the application in the test's own event loop, where its database connections live."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from httpx import ASGITransport, AsyncClient
from litestar import Litestar


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
