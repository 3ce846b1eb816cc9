"""Commands that had to wait: what they do lies after what they waited for, though they began before it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from qs.application.plan.enrolling import Joined
from qs.application.plan.ports import Lock
from qs.application.plan.settling import settle_enrollments
from qs.domain.plan.plan import ResumePolicy
from tests.support.clock import business_now

from .clinic import ACTOR, START, Clinic
from .gate import somebody_waits

Command = Callable[[Clinic, Joined], Awaitable[Any]]

ENDING: dict[str, Command] = {
    "complete": lambda c, j: c.operating.complete(c.tenant_id, j.tasks[0].id, "a-1", actor=ACTOR),
    "expire": lambda c, j: c.operating.expire(c.tenant_id, j.tasks[0].id, actor=ACTOR),
    "cancel": lambda c, j: c.operating.cancel(c.tenant_id, j.tasks[0].id, "withdrawn", actor=ACTOR),
    "terminate": lambda c, j: c.steering.terminate(
        c.tenant_id, j.enrollment.plan_id, j.enrollment.testee_id, "moved_away", actor=ACTOR
    ),
    "finish the plan": lambda c, j: c.steering.finish(c.tenant_id, j.enrollment.plan_id, actor=ACTOR),
    "cancel the plan": lambda c, j: c.steering.cancel(c.tenant_id, j.enrollment.plan_id, actor=ACTOR),
}


@pytest.mark.parametrize("command", ENDING)
async def test_a_task_that_was_opened_while_a_command_waited_for_it_ends_after_that(clinic, admin, command):
    joined = await clinic.enroll(await clinic.plan(total_times=1))
    await clinic.advance(START)

    async with clinic.uow(clinic.tenant_id) as uow:
        task = await uow.tasks.get(joined.tasks[0].id, Lock.UPDATE)
        waiting = asyncio.ensure_future(ENDING[command](clinic, joined))
        await somebody_waits(admin)
        now = await business_now(clinic.engine)
        task.open(clinic.generator.generate(task, now, 7), now)
        await uow.tasks.save_many([task])
        await uow.events.add(task.recorded)
        await uow.commit("test")
    await waiting

    ended = await clinic.task(task.id)
    enrollment, _ = await clinic.reading.enrollment(clinic.tenant_id, joined.enrollment.id)
    assert ended.opened_at == now <= ended.moved_at <= enrollment.ended_at
    (row,) = await clinic.rows(
        "SELECT max(occurred_at) FILTER (WHERE name = 'TaskOpened') AS opened,"
        " min(occurred_at) FILTER (WHERE name IN ('TaskCompleted', 'TaskExpired', 'TaskCanceled')) AS ended,"
        " min(occurred_at) FILTER (WHERE name IN ('EnrollmentClosed', 'EnrollmentTerminated')) AS over FROM outbox"
    )
    assert row.opened <= row.ended <= row.over


async def test_an_enrollment_that_an_edit_closes_does_so_after_the_answer_the_edit_waited_for(
    clinic: Clinic, admin: asyncpg.Connection
):
    plan = await clinic.plan(total_times=2)
    joined = await clinic.enroll(plan)
    await clinic.advance(START)
    await clinic.sweep()

    async with clinic.uow(clinic.tenant_id) as uow:
        task = await uow.tasks.get(joined.tasks[0].id, Lock.UPDATE)
        assert task is not None
        editing = asyncio.create_task(
            clinic.authoring.edit(clinic.tenant_id, plan.id, {"total_times": 1}, actor=ACTOR)
        )
        await somebody_waits(admin)
        task.complete("a-1", await business_now(clinic.engine))
        await uow.tasks.save_many([task])
        await uow.events.add(task.recorded)
        await settle_enrollments(uow, [task])
        await uow.commit("test")
    await editing

    enrollment, _ = await clinic.reading.enrollment(clinic.tenant_id, joined.enrollment.id)
    assert enrollment.status == "closed"
    assert enrollment.ended_at is not None
    assert task.completed_at is not None
    assert task.completed_at <= enrollment.ended_at


async def test_a_plan_that_was_resumed_while_a_pause_waited_is_paused_after_that(clinic, admin):
    plan = await clinic.plan()
    await clinic.steering.pause(clinic.tenant_id, plan.id, actor=ACTOR)

    async with clinic.uow(clinic.tenant_id) as uow:
        resuming = await uow.plans.get(plan.id, Lock.UPDATE)
        pausing = asyncio.create_task(clinic.steering.pause(clinic.tenant_id, plan.id, actor=ACTOR))
        await somebody_waits(admin)
        resuming.resume(ResumePolicy.KEEP, await business_now(clinic.engine))
        await uow.plans.save(resuming)
        await uow.events.add(resuming.recorded)
        await uow.commit("test")

    paused = await pausing
    assert (paused.status, paused.paused_at >= paused.resumed_at) == ("paused", True)


async def test_an_enrollment_that_was_resumed_while_a_pause_waited_is_paused_after_that(clinic, admin):
    plan = await clinic.plan()
    joined = await clinic.enroll(plan)
    enrollment_id = joined.enrollment.id
    await clinic.steering.pause_enrollment(clinic.tenant_id, enrollment_id, actor=ACTOR)

    async with clinic.uow(clinic.tenant_id) as uow:
        (resuming,) = (await uow.enrollments.lock_many([enrollment_id])).values()
        pausing = asyncio.create_task(
            clinic.steering.pause_enrollment(clinic.tenant_id, enrollment_id, actor=ACTOR)
        )
        await somebody_waits(admin)
        resuming.resume(ResumePolicy.KEEP, plan, await business_now(clinic.engine))
        await uow.enrollments.save_many([resuming])
        await uow.events.add(resuming.recorded)
        await uow.commit("test")

    paused = await pausing
    assert (paused.status, paused.paused_at >= paused.resumed_at) == ("paused", True)


async def test_what_an_edit_adds_to_an_enrollment_that_it_waited_for_is_younger_than_the_enrollment(
    clinic, admin
):
    """Its first occasions are over before it begins, so that there are facts from its very instant."""
    plan = await clinic.plan(
        schedule_type="by_day", interval=1, total_times=8, catch_up="all", catch_up_days=2
    )
    await clinic.advance("2060-03-05")

    async with clinic.uow(clinic.tenant_id) as uow:
        await uow.plans.get(plan.id, Lock.SHARE)
        editing = asyncio.create_task(
            clinic.authoring.edit(clinic.tenant_id, plan.id, {"total_times": 9}, actor=ACTOR)
        )
        await somebody_waits(admin)
        joined = await clinic.enroll(plan)
    await editing

    _, tasks = await clinic.reading.enrollment(clinic.tenant_id, joined.enrollment.id)
    added = [task for task in tasks if task.seq == 9]
    assert [task.created_at > joined.enrollment.created_at for task in added] == [True]
    assert any(task.reason == "late_enrollment" for task in tasks)
    await clinic.check()


async def test_what_a_plan_that_waited_for_an_enrollment_ends_is_ended_after_that(clinic, admin):
    plan = await clinic.plan(total_times=2)

    async with clinic.uow(clinic.tenant_id) as uow:
        await uow.plans.get(plan.id, Lock.SHARE)
        finishing = asyncio.create_task(clinic.steering.finish(clinic.tenant_id, plan.id, actor=ACTOR))
        await somebody_waits(admin)
        joined = await clinic.enroll(plan)
    await finishing

    enrollment, tasks = await clinic.reading.enrollment(clinic.tenant_id, joined.enrollment.id)
    assert enrollment.status == "closed"
    assert all(task.canceled_at > task.created_at for task in tasks)
    assert enrollment.ended_at > enrollment.created_at
