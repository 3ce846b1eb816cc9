"""A tenant has no more testees, active plans and jobs than its quotas allow, however many are made at once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from httpx import AsyncClient, Response

from qs.application.identity.administering_tenants import TenantChange
from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.kernel.quotas import Quota
from qs.domain.scheduler.job import JobDefinition, JobSource, Target
from qs.domain.scheduler.policies import Policies
from qs.domain.scheduler.triggers import TriggerKind, TriggerSpec
from tests.integration.identity.people import bearer
from tests.integration.plan_http.steps import (
    V1,
    WEEKLY,
    data_of,
    make_plan,
    make_testee,
    problem_of,
    soon,
)

JOB = {"type": "cron", "schedule": "0 * * * *", "target": {"builtin": "hello_job"}}

Limit = Callable[..., Awaitable[None]]


@pytest.fixture
async def api(client: AsyncClient, container: Container) -> AsyncClient:
    issued = await container.token_issuing().issue(
        DEFAULT_TENANT, ["admin"], timedelta(hours=1), actor="test"
    )
    client.headers.update(bearer(issued.token))
    return client


@pytest.fixture
def limit(container: Container) -> Limit:
    """Sets a quota of the default tenant: ``await limit(max_jobs=3)``."""

    async def set_(**quotas: int | None) -> None:
        limits = {Quota(name): most for name, most in quotas.items()}
        await container.tenant_administration().change("default", TenantChange(quotas=limits), actor="test")

    return set_


def statuses(answers: list[Response]) -> list[int]:
    return sorted(each.status_code for each in answers)


async def test_of_many_made_at_once_as_many_are_made_as_there_is_room_for(
    api: AsyncClient, limit: Limit, truth: asyncpg.Connection
):
    await limit(max_testees=3, max_active_plans=3, max_jobs=3)
    bodies: dict[str, tuple[str, list[dict[str, Any]]]] = {
        "testee": ("testees", [{"name": f"T{n}"} for n in range(8)]),
        "plan": ("plans", [WEEKLY] * 8),
        "job": ("scheduler/jobs", [JOB | {"name": f"job-{n}"} for n in range(8)]),
    }
    for table, (path, several) in bodies.items():
        answers = await asyncio.gather(*(api.post(f"{V1}/{path}", json=body) for body in several))

        assert statuses(answers) == [201] * 3 + [409] * 5, table
        assert await truth.fetchval(f"SELECT count(*) FROM {table}") == 3


@pytest.mark.parametrize(
    ("quota", "path", "body", "way_out"),
    [
        ("max_testees", "testees", {"name": "Li Lei"}, "erase"),
        ("max_active_plans", "plans", WEEKLY, "finish, cancel or pause"),
        ("max_jobs", "scheduler/jobs", JOB | {"name": "tidy"}, "delete a job"),
    ],
)
async def test_the_refusal_says_which_quota_how_much_and_what_to_do(
    api: AsyncClient, limit: Limit, quota: str, path: str, body: Any, way_out: str
):
    await limit(**{quota: 0})

    problem = problem_of(await api.post(f"{V1}/{path}", json=body), 409, "quota.reached")

    assert problem["type"] == "quota-reached"
    for said in (quota, "may have 0", way_out, "higher quota"):
        assert said in problem["detail"]
    await limit(**{quota: None})
    data_of(await api.post(f"{V1}/{path}", json=body), 201)


async def test_who_is_erased_makes_room_and_a_lower_quota_takes_nothing_away(
    api: AsyncClient, limit: Limit, truth: asyncpg.Connection
):
    people = [await make_testee(api) for _ in range(3)]
    await limit(max_testees=2)
    assert await truth.fetchval("SELECT count(*) FROM testee WHERE erased_at IS NULL") == 3

    for person in people[:2]:
        problem_of(await api.post(f"{V1}/testees", json={"name": "X"}), 409, "quota.reached")
        data_of(await api.delete(f"{V1}/testees/{person['id']}"))

    await make_testee(api)
    problem_of(await api.post(f"{V1}/testees", json={"name": "X"}), 409, "quota.reached")


async def test_a_paused_plan_makes_room_and_needs_it_again_to_go_on(api: AsyncClient, limit: Limit):
    await limit(max_active_plans=1)
    first = await make_plan(api)
    data_of(await api.post(f"{V1}/plans/{first['id']}/pause"))
    second = await make_plan(api)

    resuming = f"{V1}/plans/{first['id']}/resume"
    problem_of(await api.post(resuming, json={"policy": "keep"}), 409, "quota.reached")
    data_of(await api.post(f"{V1}/plans/{second['id']}/finish"))
    assert data_of(await api.post(resuming, json={"policy": "keep"}))["status"] == "active"


async def test_of_the_rows_of_a_bulk_enrollment_those_without_room_fail(
    api: AsyncClient, limit: Limit, truth: asyncpg.Connection
):
    plan = await make_plan(api)
    known = await make_testee(api, external_id="known")
    await limit(max_testees=3)
    names = ["a", "known", "b", "c", "a", "d"]
    rows = [{"external_id": name, "start_date": soon()} for name in names]
    bulk = f"{V1}/plans/{plan['id']}/enrollments/bulk"

    whole = await api.post(f"{bulk}?all_or_nothing=true", json={"rows": rows})
    rehearsed = data_of(await api.post(f"{bulk}?dry_run=true", json={"rows": rows}))
    done = data_of(await api.post(bulk, json={"rows": rows}))

    assert whole.status_code == 422
    results = ["created", "created", "created", "failed", "existing", "failed"]
    assert [row["result"] for row in rehearsed["rows"]] == results
    assert [row["result"] for row in done["rows"]] == results
    assert done["rows"][3]["error"] == "quota.reached"
    assert done["rows"][1]["testee_id"] == known["id"]
    assert await truth.fetchval("SELECT count(*) FROM testee") == 3
    # Who is there already needs no room.
    again = data_of(await api.post(bulk, json={"rows": rows[:3]}))
    assert [row["result"] for row in again["rows"]] == ["existing"] * 3


async def test_bulk_enrollments_at_once_share_what_room_there_is(
    api: AsyncClient, limit: Limit, truth: asyncpg.Connection
):
    plan = await make_plan(api)
    await limit(max_testees=10)
    bulk = f"{V1}/plans/{plan['id']}/enrollments/bulk"

    def rows(call: int) -> dict[str, Any]:
        return {"rows": [{"external_id": f"{call}-{n}", "start_date": soon()} for n in range(5)]}

    answers = await asyncio.gather(
        *(api.post(bulk, json=rows(call)) for call in range(4)),
        *(api.post(f"{V1}/testees", json={"name": "X"}) for _ in range(4)),
    )

    created = sum(data_of(answer)["created"] for answer in answers[:4])
    assert created + sum(answer.status_code == 201 for answer in answers[4:]) == 10
    assert await truth.fetchval("SELECT count(*) FROM testee") == 10


async def test_a_set_of_jobs_is_applied_as_a_whole_or_not(
    api: AsyncClient, limit: Limit, truth: asyncpg.Connection
):
    await limit(max_jobs=2)
    apply = f"{V1}/scheduler/jobs/apply"

    def a_set(*names: str, prune: bool = False) -> dict[str, Any]:
        return {"owner": "files", "prune": prune, "jobs": [JOB | {"name": name} for name in names]}

    problem_of(await api.post(apply, json=a_set("a", "b", "c")), 409, "quota.reached")
    assert await truth.fetchval("SELECT count(*) FROM job") == 0
    data_of(await api.post(apply, json=a_set("a", "b")))
    data_of(await api.post(apply, json=a_set("a", "b")))
    problem_of(await api.post(apply, json=a_set("a", "c")), 409, "quota.reached")
    # What goes makes room for what comes.
    data_of(await api.post(apply, json=a_set("b", "c", prune=True)))
    await limit(max_jobs=1)
    data_of(await api.post(apply, json=a_set("c", "d", prune=True)))


async def test_of_declared_jobs_those_without_room_are_left_out_and_told_of(
    container: Container, limit: Limit, truth: asyncpg.Connection
):
    await limit(max_jobs=2)
    definitions = [
        JobDefinition(
            name=name,
            trigger=TriggerSpec(type=TriggerKind.CRON, schedule="0 * * * *", timezone="UTC"),
            target=Target(kind="builtin", spec={"name": "hello_job"}),
            policies=Policies(),
        )
        for name in ("a", "b", "c")
    ]

    changes = await container.job_authoring().apply(
        DEFAULT_TENANT,
        definitions,
        source=JobSource.DECLARED,
        owner=None,
        actor="test",
        prune=True,
        tolerant=True,
    )

    assert [(change.name, change.action) for change in changes] == [
        ("a", "created"),
        ("b", "created"),
        ("c", "refused"),
    ]
    assert "max_jobs" in str(changes[2].problem)
    assert await truth.fetchval("SELECT count(*) FROM job") == 2


async def test_without_a_quota_nobody_waits_for_anybody(
    container: Container, limit: Limit, truth: asyncpg.Connection
):
    async with container.plan_uow()(DEFAULT_TENANT) as uow:
        assert await uow.quotas.limit(Quota.TESTEES) is None
        assert await locks(truth) == 0
    await limit(max_testees=5)
    async with container.plan_uow()(DEFAULT_TENANT) as uow:
        assert await uow.quotas.limit(Quota.TESTEES) == 5
        assert await locks(truth) == 1


async def test_a_quota_is_its_tenants_own(api: AsyncClient, container: Container, limit: Limit):
    await limit(max_testees=0)
    other = await container.tenant_administration().create("clinic", "Clinic", "UTC", actor="test")
    issued = await container.token_issuing().issue(other.id, ["admin"], timedelta(hours=1), actor="test")

    made = await api.post(f"{V1}/testees", json={"name": "X"}, headers=bearer(issued.token))

    assert made.status_code == 201


async def locks(truth: asyncpg.Connection) -> int:
    count: int = await truth.fetchval(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return count
