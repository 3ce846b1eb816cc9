"""A tenant with very much to do keeps no other waiting."""

import asyncpg
import pytest
from dependency_injector import providers

from qs.application.plan.scheduling import TaskScheduling
from qs.infra.plan.across_tenants import SqlDueTenants
from tests.support.fairness import one_large_among_small, swept

BATCH = 50


@pytest.fixture
async def admin(database_url):
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
def scheduling(container) -> TaskScheduling:
    """The sweep in batches so small that a large tenant needs many."""
    return TaskScheduling(
        container.plan_uow(), SqlDueTenants(container.engine()), container.entry_generator(), batch=BATCH
    )


async def test_a_sweep_over_everybody_opens_the_few_of_many_before_the_many_of_one(admin, scheduling):
    large, _ = await one_large_among_small(admin, large=3000, small=10, each=10)

    found = await swept(admin, scheduling, large, 100)

    assert (found.report.status, found.report.opened) == ("done", 3100)
    # A batch in its turn, and one that the other lane may have begun meanwhile.
    assert found.ahead <= 2 * BATCH


async def test_a_limit_is_shared_so_that_the_few_of_many_are_among_what_is_opened(admin, scheduling):
    large, _ = await one_large_among_small(admin, large=3000, small=10, each=10)

    found = await swept(admin, scheduling, large, 100, limit=200)

    assert (found.report.status, found.report.opened, found.report.remaining) == ("limited", 200, 2900)


async def test_the_platforms_call_over_http_is_as_fair(admin, api_of_the_platform, container, scheduling):
    container.task_scheduling.override(providers.Object(scheduling))
    large, _ = await one_large_among_small(admin, large=1000, small=10, each=10)

    answer = await api_of_the_platform.post("/api/v1/plans/tasks/schedule?limit=200")

    assert answer.json()["data"]["opened"] == 200
    of_the_small = "SELECT count(*) FROM task WHERE tenant_id <> $1 AND status = 'opened'"
    assert await admin.fetchval(of_the_small, large) == 100
