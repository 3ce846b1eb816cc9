from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest
from dependency_injector import providers
from httpx import AsyncClient
from litestar import Litestar

from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from tests.support.http import app_over, serving

from .steps import Obedient, Worker

Caller = Callable[..., Awaitable[dict[str, str]]]


@pytest.fixture
def http(container: Container) -> Obedient:
    """What runs the HTTP jobs of this installation; commands are switched on as well, pods are not."""
    http = Obedient("http", "jobs:http")
    builtin = container.job_executors()["builtin"]
    executors = {"builtin": builtin, "http": http, "command": Obedient("command", "jobs:command")}
    container.job_executors.override(providers.Object(executors))
    return http


@pytest.fixture
def app(container: Container, http: Obedient) -> Litestar:
    """The application as it is served."""
    return app_over(container)


@pytest.fixture
async def stranger(app: Litestar) -> AsyncIterator[AsyncClient]:
    """A client of the application without a token."""
    async with serving(app) as client:
        yield client


@pytest.fixture
def caller(container: Container) -> Caller:
    """Headers of somebody with these scopes: ``await caller("scheduler:read", tenant_id=…)``."""

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
    """Headers of somebody who may do everything in another tenant."""
    tenant = await container.tenant_administration().create(
        "neighbour", "Neighbour", "Europe/London", actor="test"
    )
    return await caller("admin", tenant_id=tenant.id)


@pytest.fixture
async def platform(container: Container) -> dict[str, str]:
    """Headers of an account that belongs to no tenant."""
    created = await container.service_account_administration().create(
        PLATFORM_TENANT, "scheduler", ["scheduler:read", "scheduler:write", "scheduler:run"], actor="test"
    )
    granted = await container.client_granting().grant(created.account.client_id, created.client_secret)
    return {"Authorization": f"Bearer {granted.access_token}"}


@pytest.fixture
async def worker(app: Litestar, container: Container) -> AsyncIterator[Worker]:
    worker = Worker(container)
    yield worker
    await worker.close()
