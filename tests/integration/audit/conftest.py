from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from dependency_injector import providers
from httpx import AsyncClient
from litestar import Litestar
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel.audit_reading import AuditReading
from qs.application.kernel.audit_sealing import AuditSealing
from qs.application.notification.granting import GrantKeeping
from qs.application.scheduler.executors import AttemptOutcome, AttemptStatus
from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.postgres.unit_of_work import SqlUnitOfWork
from tests.integration.jobs_http.steps import Obedient
from tests.support.http import app_over, serving

Write = Callable[..., Awaitable[None]]


@pytest.fixture
async def truth(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection, which sees every row and may do everything."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
def write(engine: AsyncEngine) -> Write:
    """Commits audit records, each in a transaction of its own: ``await write("plan.created", "plan.paused")``."""

    async def commit(
        *actions: str, tenant_id: UUID = DEFAULT_TENANT, actor: str = "user:anna", **detail: Any
    ) -> None:
        for action in actions:
            async with SqlUnitOfWork(engine, tenant_id) as uow:
                await uow.audit.add(action, "plan", uuid4(), actor=actor, detail=detail)
                await uow.commit("test")

    return commit


@pytest.fixture
def sealing(container: Container) -> AuditSealing:
    return container.audit_sealing()


@pytest.fixture
def reading(container: Container) -> AuditReading:
    return container.audit_reading()


@pytest.fixture
async def chain(write: Write, sealing: AuditSealing) -> None:
    """Five sealed records of the default tenant."""
    await write("a", "b", "c", "d", "e")
    await sealing.round()


@pytest.fixture
def app(container: Container) -> Litestar:
    """The application as it is served, with HTTP jobs that do as the test says."""
    executors = {
        "builtin": container.job_executors()["builtin"],
        "http": Obedient("http", "jobs:http", outcome=AttemptOutcome(status=AttemptStatus.AWAITED)),
    }
    container.job_executors.override(providers.Object(executors))
    grants = GrantKeeping(container.notification_uow(), {"wechat": ["tmpl-0001"]})
    container.grant_keeping.override(providers.Object(grants))
    return app_over(container)


@pytest.fixture
async def stranger(app: Litestar) -> AsyncIterator[AsyncClient]:
    """A client without a token."""
    async with serving(app) as client:
        yield client


@pytest.fixture
async def api(stranger: AsyncClient, container: Container) -> AsyncClient:
    """A client that may do everything in the default tenant."""
    issued = await container.token_issuing().issue(
        DEFAULT_TENANT, ["admin"], timedelta(hours=1), actor="test"
    )
    stranger.headers["Authorization"] = f"Bearer {issued.token}"
    return stranger
