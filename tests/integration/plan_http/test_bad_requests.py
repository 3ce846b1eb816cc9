"""Bad requests to the application as it is served, on real servers: each with its status, its problem and its pointers."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from httpx import AsyncClient

from qs.container import Container
from tests.integration.plan_http.steps import (
    ABSENT_ID,
    V1,
    WEEKLY,
    data_of,
    join,
    make_opened,
    make_plan,
    make_tasks,
    make_testee,
)

JSON = {"Content-Type": "application/json"}
HUGE = 2**63
INVALID, MALFORMED = "invalid", "request-malformed"


@dataclass
class Bad:
    """One request and what is due. ``$name`` in a path or a text of the body stands for an id of the world."""

    request: str
    status: int
    type: str
    pointers: tuple[str, ...] = ()
    body: Any = None
    raw: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.request[:80]} {str(self.body or self.raw or '')[:80]} → {self.status}"


def bad(request: str, status: int, kind: str, *pointers: str, body: Any = None, **more: Any) -> Bad:
    return Bad(request, status, kind, pointers, body, **more)


def plan(*pointers: str, kind: str = INVALID, **fields: Any) -> Bad:
    return bad("POST /plans", 422, kind, *pointers, body=WEEKLY | fields)


def person(*pointers: str, **fields: Any) -> Bad:
    return bad("POST /testees", 422, INVALID, *pointers, body={"name": "Li Lei"} | fields)


def enroll(status: int, kind: str, *pointers: str, **fields: Any) -> Bad:
    body = {"plan_id": "$plan", "testee_id": "$testee", "start_date": "2099-01-01"} | fields
    return bad("POST /plans/enroll", status, kind, *pointers, body=body)


def job(*pointers: str, **fields: Any) -> Bad:
    body = {"name": "n", "type": "duration", "schedule": "1m", "target": {"builtin": "hello_job"}} | fields
    return bad("POST /scheduler/jobs", 422, INVALID, *pointers, body=body)


PLANS = [
    bad("POST /plans", 422, "plan-invalid", "/schedule_type", "/name", "/scale_code", body={}),
    plan("/surprise", surprise=1),
    plan("/tenant_id", "/status", tenant_id=ABSENT_ID, status="finished"),
    plan("/interval", interval=HUGE),
    plan("/interval", kind="plan-invalid-schedule", interval=-1),
    plan("/interval", kind="plan-invalid-schedule", interval="1"),
    plan("/total_times", kind="plan-invalid-schedule", total_times=0),
    plan("/trigger_time", kind="plan-invalid-schedule", trigger_time="25:00"),
    plan("/timezone", kind="zone-unknown", timezone="Mars/Olympus"),
    plan("/name", kind="plan-invalid-terms", name=""),
    plan("/name", kind="plan-invalid-terms", name="x" * 201),
    plan("/entry_ttl_days", entry_ttl_days=HUGE),
    plan("/catch_up", kind="plan-invalid-terms", catch_up="sometimes"),
    plan("/scale_code", kind="plan-unknown-scale", scale_code="NO-SUCH"),
    bad("POST /plans", 422, INVALID, "/name", raw=b'{"name": "a\\u0000b"}', headers=JSON),
    bad("POST /plans", 422, INVALID, "/name", raw=b'{"name": "\\ud800"}', headers=JSON),
    bad("POST /plans", 400, MALFORMED, raw=b"[" * 100_000, headers=JSON),
    bad("POST /plans", 400, MALFORMED, raw=b'{"name": "a", "name": "b"}', headers=JSON),
    bad("POST /plans", 400, MALFORMED, raw=b'{"name": "\xff"}', headers=JSON),
    bad("POST /plans", 400, MALFORMED, raw=b"", headers=JSON),
    bad("POST /plans", 413, "body-too-large", raw=b" " * 2_097_152, headers=JSON),
    bad("POST /plans", 415, "media-type-unsupported", raw=b"name=x", headers={"Content-Type": "text/plain"}),
    bad("POST /plans", 415, "media-type-encoded", raw=b"{}", headers=JSON | {"Content-Encoding": "gzip"}),
    bad("GET /plans?page=0", 422, INVALID, "/page"),
    bad(f"GET /plans?page={HUGE}", 422, INVALID, "/page"),
    bad("GET /plans?page_size=101", 422, INVALID, "/page_size"),
    bad("GET /plans?pagesize=1", 422, INVALID, "/pagesize"),
    bad("GET /plans?status=alive", 422, INVALID, "/status"),
    bad("GET /plans?scale_code=%ff", 400, MALFORMED),
    bad("GET /plans/$absent", 404, "plan-absent"),
    bad("GET /plans/$foreign", 404, "plan-absent"),
    bad("GET /plans/not-a-uuid", 404, "plan-absent"),
    bad("PATCH /plans/$plan", 412, "precondition-failed", body={"name": "y"}, headers={"If-Match": '"v99"'}),
    bad("PATCH /plans/$plan", 412, "precondition-failed", body={"name": "y"}, headers={"If-Match": "v1"}),
    bad("PATCH /plans/$plan", 422, INVALID, "/timezone", body={"timezone": None}),
    bad("PATCH /plans/$plan?dry_run=perhaps", 422, INVALID, "/dry_run", body={"name": "y"}),
    bad("PATCH /plans/$foreign", 404, "plan-absent", body={"name": "y"}),
    bad("POST /plans/$plan/resume", 422, INVALID, "/policy", body={"policy": "guess"}),
    bad("POST /plans/$canceled/pause", 409, "plan-invalid-transition"),
    bad("GET /plans/$plan/pause", 405, "method-not-allowed"),
    bad("DELETE /plans/$plan", 405, "method-not-allowed"),
    bad(
        "POST /plans/preview",
        422,
        "plan-invalid-schedule",
        "/schedule_type",
        body={"start_date": "2026-01-01"},
    ),
]
PEOPLE = [
    person("/timezone", timezone="Asia/Peking"),
    person("/locale", locale="xx"),
    person("/name", name="x" * 201),
    person("/name", name=7),
    person("/contacts", contacts="anna@example.org"),
    person("/contacts/0/address", contacts=[{"channel": "email", "address": "no address"}]),
    person("/contacts/0/channel", contacts=[{"channel": "pigeon", "address": "x"}]),
    person("/opt_outs/0/plan_id", opt_outs=[{"channel": "email", "plan_id": "x"}]),
    bad("GET /testees/$absent", 404, "testee-absent"),
    bad("GET /testees/ext:nobody", 404, "testee-absent"),
    bad("GET /testees/%00", 404, "absent"),
    bad(
        "PUT /testees/$testee", 415, "media-type-unsupported", raw=b"{}", headers={"Content-Type": "text/csv"}
    ),
    enroll(404, "plan-absent", plan_id=ABSENT_ID),
    enroll(404, "plan-absent", plan_id="$foreign"),
    enroll(404, "testee-absent", testee_id=ABSENT_ID),
    enroll(422, INVALID, "/plan_id", plan_id="plan"),
    enroll(422, "plan-invalid-start-date", "/start_date", start_date="2026-02-30"),
    enroll(422, "plan-invalid-start-date", "/start_date", start_date="2026-01-01T00:00:00Z"),
    enroll(422, INVALID, "/testee_id", external_id="P-1"),
    enroll(422, INVALID, "/new_round", new_round="yes"),
    enroll(409, "plan-not-active", plan_id="$canceled"),
    bad("POST /plans/$plan/enrollments/bulk", 422, INVALID, "/rows", body={}),
    bad("POST /plans/$plan/enrollments/bulk", 422, "bulk-no-rows", "/rows", body={"rows": []}),
    bad(
        "POST /plans/$plan/enrollments/bulk",
        415,
        "media-type-unsupported",
        raw=b"a",
        headers={"Content-Type": "text/html"},
    ),
    bad(
        "POST /plans/$plan/enrollments/bulk?all_or_nothing=true",
        422,
        "bulk-rows-failed",
        "/rows/0",
        body={"rows": [{"external_id": "P-1", "start_date": "never"}]},
    ),
    bad("POST /plans/$plan/testees/$absent/terminate", 404, "testee-absent", body={"reason": "withdrawn"}),
    bad("POST /plans/$plan/testees/$testee/terminate", 422, INVALID, "/reason", body={}),
]
TASKS = [
    bad("POST /plans/tasks/schedule?limit=-1", 422, INVALID, "/limit"),
    bad("POST /plans/tasks/schedule?limit=0", 422, INVALID, "/limit"),
    bad(f"POST /plans/tasks/schedule?limit={HUGE}", 422, INVALID, "/limit"),
    bad("POST /plans/tasks/schedule?before=2999-01-01", 422, "before-in-future", "/before"),
    bad("POST /plans/tasks/schedule?before=0001-01-01T00:00:00%2B14:00", 422, "before-invalid", "/before"),
    bad("POST /plans/tasks/schedule?before=yesterday", 422, "before-invalid", "/before"),
    bad("POST /plans/tasks/schedule?async=maybe", 422, INVALID, "/async"),
    bad("POST /plans/tasks/schedule?befor=2026-01-01", 422, INVALID, "/befor"),
    bad("POST /plans/tasks/schedule", 422, INVALID, "/limit", body={"limit": 1}),
    bad("GET /plans/tasks/schedule", 405, "method-not-allowed"),
    bad("POST /plan/tasks/expire?limit=many", 422, INVALID, "/limit"),
    bad("GET /plans/tasks/$absent", 404, "task-absent"),
    bad("GET /plans/tasks/$foreign_task", 404, "task-absent"),
    bad("POST /plans/tasks/$foreign_task/open", 404, "task-absent"),
    bad("POST /plans/tasks/$pending/open", 409, "task-not-due"),
    bad("POST /plans/tasks/$completed/open", 409, "task-invalid-transition"),
    bad("POST /plans/tasks/$completed/expire", 409, "task-invalid-transition"),
    bad("GET /plans/tasks/$opened/expire", 405, "method-not-allowed"),
    bad("POST /plans/tasks/$opened/cancel", 422, INVALID, "/reason", body={}),
    bad("POST /plans/tasks/$opened/complete", 422, INVALID, "/assessment_id"),
    bad(
        "POST /plans/tasks/$opened/complete?assessment_id=a",
        422,
        INVALID,
        "/assessment_id",
        body={"assessment_id": "b"},
    ),
    bad(
        "POST /plans/tasks/$opened/complete",
        422,
        INVALID,
        "/assessment_id",
        body={"assessment_id": "x" * 1000},
    ),
    bad(
        "POST /plans/tasks/$pending/reschedule",
        422,
        INVALID,
        "/planned_at",
        body={"planned_at": "2999-01-01T00:00:00"},
    ),
    bad(
        "POST /plans/tasks/$pending/reschedule",
        422,
        INVALID,
        "/planned_at",
        body={"planned_at": "0001-01-01T00:00:00+14:00"},
    ),
    bad(
        "POST /plans/tasks/$pending/reschedule",
        422,
        "task-planned-in-past",
        "/planned_at",
        body={"planned_at": "2020-01-01T00:00:00Z"},
    ),
    bad("GET /plans/tasks/$pending/entry", 409, "task-not-open"),
    bad("GET /plans/tasks?cursor=made-up", 422, "cursor-invalid", "/cursor"),
    bad("GET /plans/tasks?planned_from=2026-01-01", 422, INVALID, "/planned_from"),
    bad("GET /plans/tasks?plan_id=$foreign&status=gone", 422, INVALID, "/status"),
    bad("GET /entries", 404, "entry-absent"),
    bad("GET /entries?token=x&task_id=$opened", 404, "entry-absent"),
    bad("POST /entries/submit", 422, INVALID, "/assessment_id", body={"token": "x", "task_id": "y"}),
    bad("POST /entries/submit", 404, "entry-absent", body={"token": {}, "task_id": [], "assessment_id": "a"}),
    bad("GET /entries/submit", 405, "method-not-allowed"),
]
OTHERS = [
    bad("POST /auth/login", 422, INVALID, "/password", body={"username": "x"}),
    bad("POST /auth/login", 401, "auth-bad-credentials", body={"username": "x", "password": "y"}),
    bad("POST /auth/refresh", 401, "auth-refresh-token-invalid", body={"refresh_token": "qsr_x"}),
    bad("GET /plans", 401, "auth-token-invalid", headers={"Authorization": "Bearer x.y.z"}),
    bad("GET /plans", 401, "auth-token-missing", headers={"Authorization": "Basic eDp5"}),
    bad("GET /statistics/daily?dimension=planet", 422, INVALID, "/dimension"),
    bad("GET /statistics/daily?dimension=plan&key=x&from=2026-02-30", 422, INVALID, "/from"),
    bad("GET /statistics/plans/$absent", 404, "statistics-absent"),
    bad("POST /statistics/validate?repair=2", 422, INVALID, "/repair"),
    bad("POST /statistics/sync/yearly", 404, "absent"),
    job("/schedule", type="cron", schedule="* * *"),
    job("/timezone", timezone="Nowhere"),
    bad("POST /scheduler/jobs", 422, INVALID, "/name", "/type", "/schedule", body={}),
    bad("GET /scheduler/jobs/$absent", 404, "job-absent"),
    bad("GET /scheduler/executions/not-a-uuid", 404, "execution-absent"),
    bad("POST /scheduler/preview", 422, INVALID, "/type", "/schedule", body={}),
    bad(
        "POST /scheduler/preview",
        422,
        INVALID,
        "/count",
        body={"type": "duration", "schedule": "1m", "count": 101},
    ),
    bad("POST /admin/api-keys", 422, INVALID, "/name", "/scopes", body={}),
    bad(
        "POST /admin/api-keys",
        422,
        INVALID,
        "/expires_in_days",
        body={"name": "n", "scopes": ["plans:read"], "expires_in_days": 9999},
    ),
    bad("GET /events?after=-1", 422, INVALID, "/after"),
    bad("GET /audit?cursor=x", 422, "cursor-invalid", "/cursor"),
    bad("POST /scales", 422, INVALID, "/code", body={"code": "a b", "title": {"en": "x", "zh": "x"}}),
    bad("GET /no/such/route", 404, "absent"),
    bad("TRACE /plans", 405, "method-not-allowed"),
    bad(
        "POST /plans",
        422,
        "idempotency-key-invalid",
        "/Idempotency-Key",
        body=WEEKLY,
        headers={"Idempotency-Key": "a b"},
    ),
    bad(
        "POST /plans",
        422,
        "idempotency-mismatch",
        "/Idempotency-Key",
        body=WEEKLY | {"name": "another"},
        headers={"Idempotency-Key": "used"},
    ),
]
TABLE = {"plans": PLANS, "people": PEOPLE, "tasks": TASKS, "others": OTHERS}


async def the_world(api: AsyncClient, container: Container, neighbour: dict[str, str]) -> dict[str, str]:
    """Something of everything that a bad request may be about, by name."""
    opened, completed = await make_opened(api, container), await make_opened(api, container)
    await api.post(f"{V1}/plans/tasks/{completed['id']}/complete", json={"assessment_id": "a-1"})
    canceled = await make_plan(api)
    data_of(await api.post(f"{V1}/plans/{canceled['id']}/cancel"))
    await api.post(f"{V1}/plans", json=WEEKLY, headers={"Idempotency-Key": "used"})
    here = api.headers["Authorization"]
    api.headers.update(neighbour)
    foreign = await make_plan(api)
    foreign_task = (await join(api, foreign))["tasks"][0]
    api.headers["Authorization"] = here
    return {
        "plan": (await make_plan(api))["id"],
        "canceled": canceled["id"],
        "testee": (await make_testee(api))["id"],
        "pending": (await make_tasks(api))[-1]["id"],
        "opened": opened["id"],
        "completed": completed["id"],
        "foreign_task": foreign_task["id"],
        "foreign": foreign["id"],
        "absent": ABSENT_ID,
    }


@pytest.mark.parametrize("group", TABLE)
async def test_a_bad_request_is_answered_with_what_is_due(
    api: AsyncClient, container: Container, neighbour: dict[str, str], group: str
) -> None:
    world = await the_world(api, container, neighbour)

    # One world for a whole group, since nothing in it changes by what is refused.
    wrong = [f"{each}: {fault}" for each in TABLE[group] if (fault := await _fault(api, each, world))]

    assert wrong == [], "\n".join(wrong)


def test_the_table_has_a_case_of_every_status_that_a_caller_can_cause() -> None:
    cases = [each for group in TABLE.values() for each in group]

    assert len(cases) >= 120
    assert {each.status for each in cases} == {400, 401, 404, 405, 409, 412, 413, 415, 422}


async def _fault(api: AsyncClient, bad: Bad, world: dict[str, str]) -> str | None:
    method, _, target = bad.request.partition(" ")
    headers, content = dict(bad.headers), bad.raw
    if bad.body is not None:
        headers, content = JSON | headers, _named(json.dumps(bad.body), world).encode()
    answer = await api.request(method, V1 + _named(target, world), content=content, headers=headers)
    problem = answer.json()
    if (answer.status_code, problem.get("type")) != (bad.status, bad.type):
        return f"{answer.status_code} {problem.get('type')} {problem.get('errors')}"
    if answer.headers["content-type"] != "application/problem+json":
        return f"is {answer.headers['content-type']}"
    pointers = tuple(each["pointer"] for each in problem.get("errors", ()))
    if pointers != bad.pointers:
        return f"points to {pointers}: {problem['detail']}"
    if bad.status == 405 and not answer.headers.get("allow"):
        return "says no Allow"
    return None


def _named(text: str, world: dict[str, str]) -> str:
    # The longest first: one name may begin with another.
    for name in sorted(world, key=len, reverse=True):
        text = text.replace(f"${name}", world[name])
    return text
