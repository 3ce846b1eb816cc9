"""Sweeps against each other, and against every command that touches the same tasks."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text

from qs.application.plan.ports import Lock
from qs.application.plan.scheduling import TaskScheduling
from qs.application.plan.steering import PlanSteering
from qs.domain.kernel.errors import Refused
from qs.domain.plan.plan import ResumePolicy
from qs.infra.plan.across_tenants import SqlDueTenants
from qs.infra.plan.unit_of_work import PlanUnitsOfWork
from qs.infra.postgres.engine import create_engine

from .clinic import ACTOR, START
from .gate import gate_on_tasks, somebody_waits


def a_sweeper(clinic, batch: int) -> TaskScheduling:
    return TaskScheduling(clinic.uow, SqlDueTenants(clinic.engine), clinic.generator, batch=batch)


async def test_eight_sweeps_at_once_open_each_of_ten_thousand_tasks_once(clinic):
    plan = await clinic.plan(
        schedule_type="by_day", interval=1, total_times=10, catch_up="all", catch_up_days=None
    )
    await clinic.enroll_many(plan, 1000)
    await clinic.advance("2060-03-10")

    reports = await asyncio.gather(*(a_sweeper(clinic, 250).sweep(clinic.tenant_id) for _ in range(8)))

    assert sum(report.opened for report in reports) == 10_000
    assert sum(report.failed for report in reports) == 0
    (row,) = await clinic.rows(
        "SELECT count(*) AS events, count(DISTINCT subject) AS tasks FROM outbox WHERE name = 'TaskOpened'"
    )
    assert (row.events, row.tasks) == (10_000, 10_000)
    assert await clinic.rows("SELECT id FROM task WHERE status <> 'opened' OR version <> 2") == []


async def test_eight_sweeps_at_once_expire_and_miss_each_task_once_and_close_every_enrollment(clinic):
    plan = await clinic.plan(
        schedule_type="by_day", interval=1, total_times=4, catch_up="all", catch_up_days=3
    )
    await clinic.enroll_many(plan, 150)
    await clinic.advance("2060-03-02")
    await clinic.sweep()
    await clinic.advance("2060-04-01")

    reports = await asyncio.gather(*(a_sweeper(clinic, 40).sweep(clinic.tenant_id) for _ in range(8)))

    assert (sum(r.expired for r in reports), sum(r.missed for r in reports)) == (300, 300)
    assert await clinic.events("TaskExpired") == 600
    assert await clinic.events("EnrollmentClosed") == 150


async def test_sweeps_that_work_row_by_row_never_wait_for_each_other_in_a_circle(clinic, admin):
    # The second tasks run out in the reverse order of the first, and one of each half cannot be written, so that
    # two sweeps settle the same enrollments one by one, each beginning where the other ends.
    tasks = await clinic.opened(
        60, schedule_type="custom", relative_days=[0, 1], total_times=None, catch_up="all"
    )
    await clinic.advance("2060-03-02")
    await clinic.sweep()
    await admin.execute(
        "UPDATE task t SET expires_at = CASE WHEN seq = 1 THEN timestamptz '2060-04-01' + n * interval '1 s'"
        " ELSE timestamptz '2060-04-02' - n * interval '1 s' END"
        " FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM enrollment) e WHERE e.id = t.enrollment_id"
    )
    await admin.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$"
    )
    await admin.execute(
        "CREATE TRIGGER refuse BEFORE UPDATE ON task FOR EACH ROW"
        f" WHEN (NEW.status = 'expired' AND NEW.enrollment_id = '{tasks[0].enrollment_id}')"
        " EXECUTE FUNCTION refuse()"
    )
    await clinic.advance("2060-05-01")

    reports = await asyncio.gather(*(a_sweeper(clinic, 60).sweep(clinic.tenant_id) for _ in range(2)))

    assert (sum(r.expired for r in reports), sum(r.failed for r in reports)) == (118, 2)


async def test_a_pause_of_the_plan_that_commits_before_the_tasks_are_locked_opens_nothing(
    clinic, admin, database_url
):
    plan = await clinic.plan(total_times=1)
    await clinic.enroll_many(plan, 3)
    await clinic.advance(START)

    async with gate_on_tasks(admin):
        sweep = asyncio.create_task(clinic.sweep())
        await somebody_waits(admin)
        await clinic.steering.pause(clinic.tenant_id, plan.id, actor=ACTOR)

    assert (await sweep).opened == 0
    await clinic.steering.resume(clinic.tenant_id, plan.id, ResumePolicy.KEEP, actor=ACTOR)
    assert (await clinic.sweep()).opened == 3


async def test_a_pause_of_one_enrollment_that_commits_before_the_tasks_are_locked_opens_none_of_its_tasks(
    clinic, admin, database_url, container
):
    plan = await clinic.plan(total_times=1)
    pausing, going = await clinic.enroll(plan), await clinic.enroll(plan)
    await clinic.advance(START)
    unbound = create_engine(database_url, role=None)
    steering = PlanSteering(PlanUnitsOfWork(unbound, container.personal_cipher()))

    async with gate_on_tasks(admin):
        sweep = asyncio.create_task(clinic.sweep())
        await somebody_waits(admin)
        await steering.pause_enrollment(clinic.tenant_id, pausing.enrollment.id, actor=ACTOR)
    await unbound.dispose()

    assert (await sweep).opened == 1
    assert (await clinic.states(pausing), await clinic.states(going)) == (["pending"], ["opened"])


async def test_a_command_that_holds_the_plan_is_not_waited_for(clinic):
    plan = await clinic.plan(total_times=1)
    await clinic.enroll_many(plan, 2)
    other = await clinic.enroll(await clinic.plan(total_times=1))
    await clinic.advance(START)

    async with clinic.uow(clinic.tenant_id) as uow:
        held = await uow.plans.get(plan.id, "FOR UPDATE")
        report = await asyncio.wait_for(clinic.sweep(), timeout=40)

    assert held is not None
    assert (report.status, report.opened, report.remaining) == ("limited", 1, 2)
    assert await clinic.states(other) == ["opened"]
    assert (await clinic.sweep()).opened == 2


async def test_a_held_plan_keeps_no_task_of_another_from_being_missed_and_its_own_are_told(clinic):
    held = await clinic.plan(total_times=1, catch_up_days=2)
    other = await clinic.plan(total_times=1, catch_up_days=2)
    await clinic.enroll_many(held, 6)
    await clinic.enroll_many(other, 6, "2060-03-02")
    await clinic.advance("2060-03-10")

    async with clinic.uow(clinic.tenant_id) as uow:
        await uow.plans.get(held.id, "FOR UPDATE")
        report = await asyncio.wait_for(a_sweeper(clinic, 3).sweep(clinic.tenant_id), timeout=40)

    assert (report.status, report.missed, report.remaining) == ("limited", 6, 6)
    assert {task.reason for task in await clinic.tasks(other)} == {"missed"}
    assert (await clinic.sweep()).missed == 6


@pytest.mark.parametrize("table", ["task", "enrollment"])
async def test_many_rows_are_locked_in_the_order_of_their_ids(clinic, admin, table):
    plan = await clinic.plan(total_times=1)
    await clinic.enroll_many(plan, 3)
    enrollments = [row.id for row in await clinic.rows("SELECT id FROM enrollment ORDER BY id")]
    ids = [row.id for row in await clinic.rows(f"SELECT id FROM {table} ORDER BY id")]
    # A new version of the first row lies behind the others, and that is where a scan of the table finds it.
    await admin.execute(f"UPDATE {table} SET version = version WHERE id = $1", ids[0])

    async def lock_all() -> None:
        async with clinic.uow(clinic.tenant_id) as uow:
            for method in ("indexscan", "bitmapscan"):
                await uow.connection.execute(text(f"SET LOCAL enable_{method} = off"))
            if table == "task":
                await uow.tasks.of_enrollments(enrollments, Lock.UPDATE)
            else:
                await uow.enrollments.lock_many(enrollments)

    async with admin.transaction():
        await admin.execute(f"SELECT FROM {table} WHERE id = $1 FOR UPDATE", ids[0])
        waiting = asyncio.create_task(lock_all())
        await somebody_waits(admin)
        free = await admin.fetch(f"SELECT id FROM {table} ORDER BY id FOR UPDATE SKIP LOCKED")

    await waiting
    assert [row["id"] for row in free] == ids, "who waits for the first one holds none of the others"


async def repeated(times: int, act: Callable[[int], Awaitable[Any]]) -> int:
    """Does it that often, and on until it was done once; a refusal by the present state is an answer.

    Returns how often it was done: on a slow machine all tries may have met one pause of the plan.
    """
    done = 0
    for number in range(100 * times):
        if number >= times and done:
            break
        try:
            await act(number)
        except Refused:
            continue
        done += 1
    return done


async def test_sweeps_race_with_every_command_and_nobody_is_deadlocked_or_miscounted(clinic):
    tenant = clinic.tenant_id
    daily = {
        "schedule_type": "by_day",
        "interval": 1,
        "catch_up": "all",
        "catch_up_days": 2,
        "entry_ttl_days": 3,
    }
    plan = await clinic.plan(**daily, total_times=8)
    await clinic.enroll_many(plan, 120)
    enrollments = [row.id for row in await clinic.rows("SELECT id FROM enrollment ORDER BY id")]
    testees = [
        row.testee_id for row in await clinic.rows("SELECT testee_id FROM enrollment ORDER BY id DESC")
    ]
    tasks = [row.id for row in await clinic.rows("SELECT id FROM task WHERE seq IN (2, 3) ORDER BY id DESC")]
    # Then entries have run out, others can be answered, more are due and some were missed.
    await clinic.advance(START)
    await clinic.sweep(limit=60)
    await clinic.advance("2060-03-03")
    await clinic.sweep()
    await clinic.advance("2060-03-05")
    policies = list(ResumePolicy)

    async def pause_and_resume(n: int) -> None:
        await clinic.steering.pause(tenant, plan.id, actor=ACTOR)
        await clinic.steering.resume(tenant, plan.id, policies[n % 3], actor=ACTOR)

    async def pause_and_resume_one(n: int) -> None:
        enrollment = enrollments[n % len(enrollments)]
        await clinic.steering.pause_enrollment(tenant, enrollment, actor=ACTOR)
        await clinic.steering.resume_enrollment(tenant, enrollment, policies[n % 3], actor=ACTOR)

    done = await asyncio.gather(
        *(repeated(6, lambda _: a_sweeper(clinic, 30).sweep(tenant)) for _ in range(3)),
        repeated(4, pause_and_resume),
        repeated(25, pause_and_resume_one),
        repeated(
            5,
            lambda n: clinic.authoring.edit(
                tenant, plan.id, {"total_times": 7 + n % 3, "due_days": n + 1}, actor=ACTOR
            ),
        ),
        repeated(
            25, lambda n: clinic.steering.terminate(tenant, plan.id, testees[n], "moved_away", actor=ACTOR)
        ),
        repeated(40, lambda n: clinic.operating.cancel(tenant, tasks[3 * n], "withdrawn", actor=ACTOR)),
        repeated(40, lambda n: clinic.operating.complete(tenant, tasks[3 * n + 1], "a-1", actor=ACTOR)),
        repeated(8, lambda n: clinic.keeping.erase(tenant, testees[30 + n], actor=ACTOR)),
        repeated(20, lambda n: clinic.enroll(plan)),
    )

    assert done[:3] == [6, 6, 6]
    assert all(count > 0 for count in done)
    await clinic.check()
    await asyncio.gather(
        clinic.steering.cancel(tenant, plan.id, actor=ACTOR), *(clinic.sweep() for _ in range(3))
    )
    assert await clinic.rows("SELECT id FROM task WHERE status IN ('pending', 'opened')") == []
