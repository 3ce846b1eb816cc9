from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
from httpx import AsyncClient
from litestar import Litestar

from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.interface.rest.app import create_app
from tests.integration.rest.probes import Gate, Things
from tests.support.http import serving

Token = Callable[..., Awaitable[str]]


@pytest.fixture
def token(container: Container) -> Token:
    """Issues access tokens of the default tenant: ``await token("plans:read")``."""

    async def issue(*scopes: str) -> str:
        issued = await container.token_issuing().issue(
            DEFAULT_TENANT, scopes, timedelta(minutes=5), actor="test"
        )
        return issued.token

    return issue


@pytest.fixture
def app(container: Container) -> Litestar:
    """The application with nothing but things in it."""
    app = create_app(container, controllers=[Things])
    app.state.gate = Gate()
    return app


@pytest.fixture
async def stranger(app: Litestar) -> AsyncIterator[AsyncClient]:
    """A client without a token."""
    async with serving(app) as client:
        yield client


@pytest.fixture
async def client(stranger: AsyncClient, token: Token) -> AsyncClient:
    """A client that may do everything."""
    stranger.headers["Authorization"] = f"Bearer {await token('admin')}"
    return stranger
