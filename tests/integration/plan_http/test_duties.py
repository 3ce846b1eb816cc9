import asyncio
from typing import Any

import pytest

from tests.integration.plan_http.steps import (
    V1,
    data_of,
    instant,
    is_uuid,
    make_due,
    make_opened,
    make_tasks,
    pointers_of,
    problem_of,
    run_out,
    task_of,
)
from tests.support.waiting import eventually

SCHEDULE = f"{V1}/plans/tasks/schedule"
EXPIRE = f"{V1}/plans/tasks/expire"
REPORT = [
    "execution_id",
    "status",
    "before",
    "opened",
    "expired",
    "missed",
    "failed",
    "remaining",
    "duration_ms",
    "tasks",
    "total_count",
    "page",
    "page_size",
    "errors",
]


@pytest.fixture
async def due(api, container):
    """A task that is due, and two that are not."""
    tasks = await make_tasks(api, total_times=3)
    await make_due(container, tasks[0])
    return tasks[0]


async def test_a_sweep_opens_what_is_due_and_reports_it(api, due, caller):
    duty = await caller("tasks:schedule")

    report = data_of(await api.post(SCHEDULE, headers=duty))

    assert list(report) == REPORT
    assert is_uuid(report["execution_id"])
    assert [report[name] for name in ("status", "opened", "expired", "missed", "failed", "remaining")] == [
        "done",
        1,
        0,
        0,
        0,
        0,
    ]
    assert report["tasks"] == [{"id": due["id"], "plan_id": due["plan_id"], "seq": 1, "status": "opened"}]
    assert (report["total_count"], report["page"], report["page_size"]) == (1, 1, 20)
    assert report["before"].endswith("Z")
    assert (await task_of(api, due))["status"] == "opened"
    again = data_of(await api.post(SCHEDULE, headers=duty))
    assert (again["opened"], again["total_count"]) == (0, 0)
    kept = data_of(await api.get(f"{V1}/scheduler/executions/{report['execution_id']}", headers=duty))
    assert (kept["name"], kept["result"]["opened"]) == ("sweep", 1)


EMPTY_REQUESTS: list[dict[str, Any]] = [
    {},
    {"content": b"", "headers": {"Content-Type": "application/json"}},
    {"content": b"", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    {"json": {}},
]


async def test_an_empty_body_is_taken_with_any_content_type_or_none(api):
    for request_ in EMPTY_REQUESTS:
        for path in [SCHEDULE, EXPIRE, f"{V1}/plan/tasks/schedule", f"{V1}/plan/tasks/expire"]:
            assert data_of(await api.post(path, **request_))["status"] == "done"


async def test_eight_sweeps_at_once_open_a_task_once(api, due):
    answers = await asyncio.gather(*(api.post(SCHEDULE) for _ in range(8)))

    assert sum(data_of(answer)["opened"] for answer in answers) == 1
    assert len({data_of(answer)["execution_id"] for answer in answers}) == 8


async def test_expiry_expires_and_opens_nothing(api, container, due):
    opened = await make_opened(api, container)
    await run_out(container, opened)

    report = data_of(await api.post(EXPIRE))

    assert (report["expired"], report["opened"], report["missed"]) == (1, 0, 0)
    assert (await task_of(api, opened))["reason"] == "entry_timeout"
    assert (await task_of(api, due))["status"] == "pending"


async def test_a_limit_bounds_what_one_call_moves(api, container):
    tasks = [(await make_tasks(api, total_times=1))[0] for _ in range(3)]
    await make_due(container, tasks[-1])

    report = data_of(await api.post(f"{SCHEDULE}?limit=2"))

    assert (report["status"], report["opened"], report["remaining"]) == ("limited", 2, 1)


async def test_before_narrows_to_what_was_due_then(api, container, due):
    planned_at = instant(due["planned_at"])
    local = planned_at.strftime("%Y-%m-%d")

    earlier = data_of(await api.post(SCHEDULE, params={"before": f"{local} 18:59:59"}))
    at = data_of(await api.post(SCHEDULE, params={"before": f"{local} 19:00:00"}))

    assert (earlier["opened"], earlier["before"]) == (0, f"{local}T10:59:59Z")
    assert (at["opened"], at["before"]) == (1, f"{local}T11:00:00Z")


async def test_before_is_read_in_the_tenants_zone_and_a_platforms_in_the_installations(
    api, neighbour, platform
):
    params = {"before": "2026-07-01"}

    own = data_of(await api.post(SCHEDULE, params=params))
    foreign = data_of(await api.post(SCHEDULE, params=params, headers=neighbour))
    everywhere = data_of(await api.post(SCHEDULE, params=params, headers=platform))

    assert own["before"] == "2026-06-30T16:00:00Z"
    assert foreign["before"] == "2026-06-30T23:00:00Z"
    assert everywhere["before"] == "2026-06-30T16:00:00Z"


async def test_a_tenant_sweeps_its_own_tasks_and_a_platform_everybodys(
    api, container, neighbour, platform, due
):
    foreign = data_of(await api.post(SCHEDULE, headers=neighbour))
    own = data_of(await api.post(SCHEDULE, headers=platform))

    assert (foreign["opened"], own["opened"]) == (0, 1)


async def test_a_query_that_cannot_be_meant_is_refused_before_anything_is_done(api):
    for path in [SCHEDULE, EXPIRE, f"{V1}/plan/tasks/schedule", f"{V1}/plan/tasks/expire"]:
        for query, error, pointer in [
            ("before=2099-01-01T00:00:00Z", "before.in_future", "/before"),
            ("before=2026-07-01T19:00:00+08:00", "before.invalid", "/before"),
            ("before=yesterday", "before.invalid", "/before"),
            ("before=2026-02-30", "before.invalid", "/before"),
            ("before=0001-01-01T00:00:00%2B14:00", "before.invalid", "/before"),
            (f"before={'1' * 65}", "invalid", "/before"),
            ("limit=-1", "invalid", "/limit"),
            ("limit=0", "invalid", "/limit"),
            (f"limit={2**63}", "invalid", "/limit"),
            ("limit=ten", "invalid", "/limit"),
            ("async=maybe", "invalid", "/async"),
        ]:
            refused = await api.post(f"{path}?{query}")

            assert pointers_of(refused, error) == [pointer]
            assert data_of(await api.get(f"{V1}/scheduler/executions"))["items"] == []


async def test_a_plus_that_became_a_blank_is_told_how_to_be_written(api):
    refused = await api.post(f"{SCHEDULE}?before=2026-07-01T19:00:00+08:00")

    assert "%2B" in problem_of(refused, 422, "before.invalid")["detail"]


async def test_unknown_parameters_are_refused_here_and_ignored_on_the_older_path(api):
    assert pointers_of(await api.post(f"{SCHEDULE}?page=1"), "invalid") == ["/page"]
    assert data_of(await api.post(f"{V1}/plan/tasks/schedule?page=1&before=&limit="))["status"] == "done"


async def test_a_body_that_says_something_is_refused(api):
    assert pointers_of(await api.post(SCHEDULE, json={"limit": 5}), "invalid") == ["/limit"]
    assert (
        await api.post(SCHEDULE, content="now", headers={"Content-Type": "text/plain"})
    ).status_code == 415


BODIES: list[dict[str, Any]] = [
    {"json": {"x": 1}},
    {"json": [1]},
    {"data": {"a": "b"}},
    {"files": {"a": b"b"}},
    {"content": "now", "headers": {"Content-Type": "text/plain"}},
    {"content": "{", "headers": {"Content-Type": "application/json"}},
    {"content": b"\x00\xff"},
]


async def test_whatever_a_body_says_on_the_older_path_is_ignored_up_to_its_size(api):
    for duty in ("schedule", "expire"):
        path = f"{V1}/plan/tasks/{duty}"

        for body in BODIES:
            assert data_of(await api.post(path, **body))["status"] == "done"
        problem_of(await api.post(path, content=b"x" * 2_000_000), 413, "body.too_large")


@pytest.mark.parametrize("path", [SCHEDULE, f"{V1}/plan/tasks/schedule"])
async def test_asked_for_in_the_background_it_is_accepted_and_its_result_read_later(api, due, caller, path):
    duty = await caller("tasks:schedule")

    accepted = await api.post(f"{path}?async=true", headers=duty)

    queued = data_of(accepted, 202)
    assert accepted.headers["Location"] == f"{V1}/scheduler/executions/{queued['execution_id']}"

    async def result() -> Any:
        return data_of(await api.get(accepted.headers["Location"], headers=duty))["result"]

    assert (await eventually(result))["opened"] == 1


async def test_a_wrong_before_is_refused_in_the_background_as_well(api):
    refused = await api.post(f"{SCHEDULE}?async=true&before=2099-01-01")

    assert pointers_of(refused, "before.in_future") == ["/before"]


async def test_a_platform_account_may_do_duties_and_nothing_else(api, platform, due):
    for path in ("plans", "testees", "plans/tasks", f"plans/tasks/{due['id']}"):
        assert (await api.get(f"{V1}/{path}", headers=platform)).status_code == 403
    one = await api.post(f"{V1}/plans/tasks/{due['id']}/expire", headers=platform)
    assert one.status_code == 403
    for path in (SCHEDULE, EXPIRE):
        assert data_of(await api.post(path, headers=platform))["status"] == "done"
