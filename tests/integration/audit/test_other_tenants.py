"""Whatever a call changes, it changes in its own tenant, even if the database would let it do more."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from dependency_injector import providers
from httpx import AsyncClient

from qs.container import Container
from qs.infra.postgres.engine import create_engine
from tests.integration.identity.furnishing import Administrator, Furnished, furnish, rows_of
from tests.integration.identity.people import RecordingPasswords
from tests.integration.jobs_http.steps import HOURLY
from tests.integration.plan_http.steps import data_of

from .recorder import Recorder
from .test_every_route import GROUPS, Calls


@pytest.fixture
async def without_policies(container: Container, database_url: str) -> AsyncIterator[None]:
    """The statements stand alone: a superuser is past every policy."""
    container.engine.override(providers.Object(create_engine(database_url, role=None)))
    container.passwords.override(providers.Object(RecordingPasswords()))
    yield
    await container.engine().dispose()


@pytest.fixture
async def twin(
    without_policies: None, api: AsyncClient, container: Container, truth: asyncpg.Connection
) -> Furnished:
    """Another tenant that has things of all the names that the calls use, and nothing for a worker to do."""
    found = await furnish(api, container, truth, "twin", roles=["admin"])
    its_admin = Administrator(api, found.callers["admin"])
    for name in ("tidy", "first", "second", "nightly"):
        await its_admin.make("scheduler/jobs", HOURLY | {"name": name})
    await its_admin.make("scheduler/calendars", {"name": "rest", "holidays": ["2030-10-01"]})
    await its_admin.make("scales", {"code": "ISI", "title": {"zh": "失眠", "en": "Insomnia"}})
    for name in ("export", "crontab"):
        machine = {"name": name, "scopes": ["plans:read"]}
        await its_admin.make("admin/service-accounts", machine)
        await its_admin.make("admin/api-keys", machine)
    things = found.things
    await its_admin.make(f"plans/tasks/{things['task']}/complete", {"assessment_id": "a-1"}, 200)
    await its_admin.make(f"scheduler/executions/{things['execution']}/cancel", {}, 200)
    assert data_of(await api.get("/api/v1/plans"))["total"] == 0
    return found


@pytest.mark.parametrize("calls", [calls for _, calls in GROUPS], ids=lambda calls: calls.__name__[5:])
async def test_a_call_touches_no_row_of_another_tenant_whatever_the_database_allows(
    twin: Furnished, api: AsyncClient, container: Container, truth: asyncpg.Connection, calls: Calls
) -> None:
    before = await rows_of(truth, twin)

    await calls(Recorder(api, container, truth))

    assert await rows_of(truth, twin) == before
