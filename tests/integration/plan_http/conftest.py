from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest
from httpx import AsyncClient
from litestar import Litestar

from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from tests.support.http import app_over, serving

Caller = Callable[..., Awaitable[dict[str, str]]]


@pytest.fixture
def app(container: Container) -> Litestar:
    """The application as it is served."""
    return app_over(container)


@pytest.fixture
async def stranger(app: Litestar) -> AsyncIterator[AsyncClient]:
    """A client of the application without a token."""
    async with serving(app) as client:
        yield client


@pytest.fixture
def caller(container: Container) -> Caller:
    """Headers of somebody with these scopes: ``await caller("plans:read", tenant_id=…)``."""

    async def headers(*scopes: str, tenant_id: UUID = DEFAULT_TENANT) -> dict[str, str]:
        issued = await container.token_issuing().issue(tenant_id, scopes, timedelta(hours=1), actor="test")
        return {"Authorization": f"Bearer {issued.token}"}

    return headers


@pytest.fixture
async def api(stranger: AsyncClient, caller: Caller) -> AsyncClient:
    """A client that may do everything in the default tenant."""
    stranger.headers.update(await caller("admin"))
    return stranger


@pytest.fixture
async def neighbour(container: Container, caller: Caller) -> dict[str, str]:
    """Headers of somebody who may do everything in another tenant, which lies in London."""
    tenant = await container.tenant_administration().create(
        "neighbour", "Neighbour", "Europe/London", actor="test"
    )
    return await caller("admin", tenant_id=tenant.id)


@pytest.fixture
async def platform(container: Container) -> dict[str, str]:
    """Headers of an external scheduler that serves every tenant."""
    created = await container.service_account_administration().create(
        PLATFORM_TENANT, "scheduler", ["tasks:schedule", "scheduler:read"], actor="test"
    )
    granted = await container.client_granting().grant(created.account.client_id, created.client_secret)
    return {"Authorization": f"Bearer {granted.access_token}"}
