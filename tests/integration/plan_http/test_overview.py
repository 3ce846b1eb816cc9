"""``GET /overview``: each number is what a list shows, of the caller's tenant alone, for who may see that list."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from httpx import AsyncClient

from tests.integration.plan_http.steps import (
    V1,
    data_of,
    instant,
    join,
    make_due,
    make_opened,
    make_plan,
    make_tasks,
)


@pytest.fixture
async def truth(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection, which sees every row and may do everything."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def overview(api: AsyncClient, headers: Mapping[str, str] | None = None) -> Any:
    return data_of(await api.get(f"{V1}/overview", headers=headers))


async def test_tasks_are_counted_as_the_sweep_sees_them(api, container):
    first = (await make_tasks(api))[0]
    paused = await make_plan(api)
    await join(api, paused)
    await api.post(f"{V1}/plans/{paused['id']}/pause")
    before = await overview(api)
    await make_due(container, first)

    due = await overview(api)
    await api.post(f"{V1}/plans/tasks/schedule")
    swept = await overview(api)

    assert (before["tasks"]["due"], before["tasks"]["oldest_due_at"]) == (0, None)
    assert (due["tasks"]["due"], instant(due["tasks"]["oldest_due_at"])) == (1, instant(first["planned_at"]))
    assert (swept["tasks"]["due"], swept["tasks"]["opened"], swept["tasks"]["closing"]) == (0, 1, 0)


async def test_what_runs_out_within_a_day_is_counted(api, container):
    task = await make_opened(api, container)
    clock = container.clock_advancing()

    await clock.advance_to(instant(task["expires_at"]) - timedelta(hours=23), actor="test")

    assert (await overview(api))["tasks"]["closing"] == 1


async def test_a_neighbours_numbers_are_nobody_elses(api, container, neighbour):
    await make_opened(api, container)

    theirs = await overview(api, neighbour)

    assert (theirs["tasks"]["opened"], theirs["events"]["unpublished"]) == (0, 0)
    assert (await overview(api))["events"]["unpublished"] > 0


@pytest.mark.parametrize(
    ("scope", "part"),
    [
        ("tasks:read", "tasks"),
        ("events:read", "events"),
        ("notifications:read", "messages"),
        ("scheduler:read", "jobs"),
    ],
)
async def test_a_part_is_for_those_who_may_read_it(api, caller, scope, part):
    shown = await overview(api, await caller(scope))

    assert {name for name, value in shown.items() if value is not None} == {part}


async def test_what_was_given_up_and_what_fails_is_counted(api, truth: asyncpg.Connection):
    job = data_of(
        await api.post(
            f"{V1}/scheduler/jobs",
            json={
                "name": "fails",
                "type": "cron",
                "schedule": "0 * * * *",
                "target": {"builtin": "hello_job"},
            },
        ),
        201,
    )
    run = data_of(await api.post(f"{V1}/scheduler/jobs/{job['id']}/run"))
    waiting = (await overview(api))["jobs"]
    await truth.execute(
        "UPDATE job_execution SET status = 'failed', finished_at = now() WHERE id = $1", run["id"]
    )
    failing = (await overview(api))["jobs"]
    again = data_of(await api.post(f"{V1}/scheduler/executions/{run['id']}/retry"))
    await truth.execute(
        "UPDATE job_execution SET status = 'succeeded', finished_at = now() WHERE id = $1", again["id"]
    )

    assert (waiting["failing"], waiting["active"]) == (0, 1)
    assert (failing["failing"], failing["active"]) == (1, 0)
    assert (await overview(api))["jobs"] == {"failing": 0, "active": 0}
