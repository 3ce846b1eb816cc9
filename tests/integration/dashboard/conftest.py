from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Litestar

from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from tests.support.http import app_over, serving

from .browser import Browser

PASSWORD = "correct horse battery staple"

SignedIn = Callable[..., Awaitable[Browser]]
Member = Callable[..., Awaitable[None]]


@pytest.fixture
def app(container: Container) -> Litestar:
    """The application as it is served."""
    return app_over(container)


@pytest.fixture
async def served(app: Litestar) -> AsyncIterator[Litestar]:
    async with serving(app):
        yield app


@pytest.fixture
async def api(served: Litestar, container: Container) -> AsyncIterator[AsyncClient]:
    """A machine that may do everything in the default tenant."""
    issued = await container.token_issuing().issue(
        DEFAULT_TENANT, ["admin"], timedelta(hours=1), actor="test"
    )
    async with client_of(served) as client:
        client.headers["Authorization"] = f"Bearer {issued.token}"
        yield client


@pytest.fixture
async def browser(served: Litestar) -> AsyncIterator[Browser]:
    """Nobody is signed in."""
    async with client_of(served) as client:
        yield Browser(client)


@pytest.fixture
def member(container: Container) -> Member:
    """Makes a user with that role."""

    async def make(role: str = "admin", name: str = "anna", tenant_id: UUID = DEFAULT_TENANT) -> None:
        await container.user_administration().create(tenant_id, name, PASSWORD, [role], actor="test")

    return make


@pytest.fixture
def signed_in(browser: Browser, member: Member) -> SignedIn:
    """The browser of a new user with that role."""

    async def sign_in(role: str = "admin", name: str = "anna", tenant_id: UUID = DEFAULT_TENANT) -> Browser:
        await member(role, name, tenant_id)
        await browser.sign_in(name, PASSWORD)
        return browser

    return sign_in


def client_of(app: Litestar) -> AsyncClient:
    """A client of an application that is started already."""
    return AsyncClient(transport=ASGITransport(app), base_url="http://qs.test")  # type: ignore[arg-type]
