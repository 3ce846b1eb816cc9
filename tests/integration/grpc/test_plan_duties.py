"""The duties over gRPC do what they do over HTTP, and say the same of it."""

import asyncio
from typing import Any

import grpc
import pytest

from qs.interface.grpc.v1 import plan_duties_pb2 as messages
from tests.integration.grpc.steps import as_http, error_of, failure, with_instants
from tests.integration.plan_http.steps import (
    ABSENT_ID,
    V1,
    data_of,
    instant,
    make_due,
    make_opened,
    make_tasks,
    problem_of,
    run_out,
    task_of,
)
from tests.integration.plan_http.test_duties import REPORT


@pytest.fixture
async def due(api, container):
    """A task that is due, and two that are not."""
    tasks = await make_tasks(api, total_times=3)
    await make_due(container, tasks[0])
    return tasks[0]


def expiry(task: dict[str, Any]) -> messages.ExpireTaskRequest:
    return messages.ExpireTaskRequest(task_id=task["id"])


async def test_a_sweep_answers_what_http_shows_of_its_execution(api, due, duties, holding):
    swept = await duties.SchedulePendingTasks(
        messages.SchedulePendingTasksRequest(), metadata=await holding("tasks:schedule")
    )

    report = as_http(swept)
    kept = data_of(await api.get(f"{V1}/scheduler/executions/{swept.execution_id}"))
    assert sorted(report) == sorted(REPORT)
    assert report == with_instants({"execution_id": swept.execution_id, **kept["result"]})
    assert (swept.status, swept.opened, swept.tasks[0].id) == ("done", 1, due["id"])
    assert (kept["name"], kept["status"], kept["fired_by"]) == ("sweep", "succeeded", "http")
    assert (await task_of(api, due))["status"] == "opened"


async def test_both_ways_answer_a_sweep_alike(api, due, duties, holding):
    admin = await holding("admin")
    over_http = with_instants(data_of(await api.post(f"{V1}/plans/tasks/schedule?before=2026-07-01")))

    over_grpc = as_http(
        await duties.SchedulePendingTasks(
            messages.SchedulePendingTasksRequest(before="2026-07-01"), metadata=admin
        )
    )

    differing = {"execution_id", "duration_ms"}
    assert over_http.keys() == over_grpc.keys()
    assert {name for name in over_http if over_http[name] != over_grpc[name]} <= differing


async def test_the_expiry_expires_and_opens_nothing(api, container, due, duties, holding):
    opened = await make_opened(api, container)
    await run_out(container, opened)

    report = await duties.ExpireOverdueTasks(
        messages.ExpireOverdueTasksRequest(), metadata=await holding("tasks:schedule")
    )

    assert (report.expired, report.opened, report.missed) == (1, 0, 0)
    assert (await task_of(api, opened))["reason"] == "entry_timeout"
    assert (await task_of(api, due))["status"] == "pending"


async def test_a_limit_bounds_what_one_call_moves(api, container, duties, holding):
    tasks = [(await make_tasks(api, total_times=1))[0] for _ in range(3)]
    await make_due(container, tasks[-1])

    report = await duties.SchedulePendingTasks(
        messages.SchedulePendingTasksRequest(limit=2), metadata=await holding("tasks:schedule")
    )

    assert (report.status, report.opened, report.remaining) == ("limited", 2, 1)


async def test_before_is_read_as_over_http(api, neighbour, platform, duties, holding):
    instants = {}
    for who, headers in {"own": await holding("admin"), "other": neighbour, "all": platform}.items():
        metadata = tuple(headers.items()) if isinstance(headers, dict) else headers
        report = await duties.SchedulePendingTasks(
            messages.SchedulePendingTasksRequest(before="2026-07-01"),
            metadata=tuple((name.lower(), value) for name, value in metadata),
        )
        instants[who] = report.before.ToJsonString()

    # Of the tenant's zone: Shanghai, London; of the installation's for a platform account.
    assert instants == {
        "own": "2026-06-30T16:00:00Z",
        "other": "2026-06-30T23:00:00Z",
        "all": "2026-06-30T16:00:00Z",
    }


async def test_an_expired_task_is_answered_as_http_shows_it_and_twice_changes_nothing_more(
    api, container, duties, holding, truth
):
    opened = await make_opened(api, container)
    writer = await holding("tasks:write")

    first = await duties.ExpireTask(expiry(opened), metadata=writer)
    again = await duties.ExpireTask(expiry(opened), metadata=writer)

    assert as_http(first) == with_instants(await task_of(api, opened))
    assert (first.status, first.reason) == ("expired", "manual")
    assert not first.HasField("completed_at")
    assert not first.HasField("assessment_id")
    assert first == again
    recorded = "SELECT count(*) FROM audit WHERE action = 'task.expired'"
    assert await truth.fetchval(recorded) == 1
    assert await truth.fetchval("SELECT count(*) FROM outbox WHERE name = 'TaskExpired'") == 1


async def test_a_scheduler_may_expire_a_task_only_once_its_link_has_run_out(api, container, duties, holding):
    opened = await make_opened(api, container)
    scheduler = await holding("tasks:schedule")

    early = await error_of(duties.ExpireTask(expiry(opened), metadata=scheduler))
    over_http = await api.post(
        f"{V1}/plans/tasks/{opened['id']}/expire", headers={"Authorization": scheduler[0][1]}
    )
    await run_out(container, opened)
    late = await duties.ExpireTask(expiry(opened), metadata=scheduler)

    assert over_http.status_code == 403
    assert early == (grpc.StatusCode.PERMISSION_DENIED, over_http.json()["error"])
    assert late.status == "expired"
    assert late.expired_at.ToDatetime() >= instant(opened["expires_at"]).replace(tzinfo=None)


async def test_a_task_that_is_not_opened_is_refused_as_over_http(api, due, duties, holding):
    refused = await failure(duties.ExpireTask(expiry(due), metadata=await holding("tasks:write")))

    over_http = problem_of(
        await api.post(f"{V1}/plans/tasks/{due['id']}/expire"), 409, "task.invalid_transition"
    )
    assert refused.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert refused.details() == over_http["detail"]


async def test_a_foreign_task_is_as_absent_as_one_that_never_was(
    api, container, caller, neighbour, duties, holding
):
    opened = await make_opened(api, container)
    stranger = tuple((name.lower(), value) for name, value in neighbour.items())

    answers = [
        await failure(duties.ExpireTask(messages.ExpireTaskRequest(task_id=named), metadata=stranger))
        for named in (opened["id"], ABSENT_ID, "nonsense", "", "\x00", "x" * 5000)
    ]

    assert {answer.code() for answer in answers} == {grpc.StatusCode.NOT_FOUND}
    assert len({answer.details() for answer in answers}) == 1
    assert (await task_of(api, opened))["status"] == "opened"


async def test_a_sweep_of_a_tenant_touches_no_other_and_one_of_the_platform_every(
    api, container, due, neighbour, platform, duties
):
    def as_metadata(headers: dict[str, str]) -> Any:
        return tuple((name.lower(), value) for name, value in headers.items())

    request = messages.SchedulePendingTasksRequest()
    foreign = await duties.SchedulePendingTasks(request, metadata=as_metadata(neighbour))
    everywhere = await duties.SchedulePendingTasks(request, metadata=as_metadata(platform))

    assert (foreign.opened, everywhere.opened) == (0, 1)


async def test_eight_sweeps_at_once_open_a_task_once(due, duties, holding):
    admin = await holding("admin")

    reports = await asyncio.gather(
        *(
            duties.SchedulePendingTasks(messages.SchedulePendingTasksRequest(), metadata=admin)
            for _ in range(8)
        )
    )

    assert sum(report.opened for report in reports) == 1
    assert len({report.execution_id for report in reports}) == 8


async def test_a_call_that_changes_something_leaves_its_record_under_the_callers_request_id(
    api, container, due, duties, holding, truth
):
    opened = await make_opened(api, container)
    admin = await holding("admin")
    before = await truth.fetchval("SELECT count(*) FROM audit")

    await duties.ExpireTask(expiry(opened), metadata=(*admin, ("x-request-id", "ours-1")))
    await duties.ExpireOverdueTasks(
        messages.ExpireOverdueTasksRequest(), metadata=(*admin, ("x-request-id", "ours-2"))
    )

    rows = await truth.fetch("SELECT * FROM audit ORDER BY at, id OFFSET $1", before)
    assert [(row["action"], row["request_id"]) for row in rows] == [
        ("task.expired", "ours-1"),
        ("duty.run", "ours-2"),
    ]
    assert str(rows[0]["object_id"]) == opened["id"]
    assert {row["actor"].partition(":")[0] for row in rows} == {"token"}
