"""What is told and how often: trouble at once and then once an hour, its end once."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from qs.application.scheduler.job_ports import ClaimedRun
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.scheduler.job_execution import RunStatus
from tests.integration.jobs.nodes import ACTOR, failed
from tests.support.receivers import HANG, Received
from tests.support.waiting import eventually

from .desk import Desk

MINUTE = timedelta(minutes=1)
EVERYTHING = ["success", "failure", "recovery", "missed", "timeout"]


async def test_a_job_that_goes_on_failing_is_told_once_an_hour_with_how_many_were_kept_back(desk: Desk):
    job = await desk.job()
    await desk.fail(job, times=5)
    await desk.an_hour_later()
    await desk.fail(job, times=3)

    await desk.send()

    assert desk.told == [("failure", 0), ("failure", 4)]


async def test_a_recovery_is_told_once_with_the_failures_nobody_heard_of(desk: Desk):
    job = await desk.job()
    await desk.fail(job, times=3)

    await desk.run(job)
    await desk.run(job)
    await desk.send()

    assert desk.told == [("failure", 0), ("recovery", 2)]


async def test_after_a_recovery_the_next_failure_is_told_at_once(desk: Desk):
    job = await desk.job()
    await desk.fail(job, times=2)
    await desk.run(job)
    await desk.fail(job, times=2)

    await desk.send()

    assert desk.told == [("failure", 0), ("recovery", 1), ("failure", 0)]


async def test_a_receiver_is_told_of_a_job_in_order_though_the_first_message_takes_its_time(desk: Desk):
    job = await desk.job()
    desk.web.answers = [HANG]
    await desk.fail(job)
    await desk.run(job)

    await desk.sending.send_due()
    await eventually(lambda: _some(desk.web.received))

    assert not await desk.sending.send_due()
    assert desk.told == [("failure", 0)]


async def _some(received: list[Received]) -> bool:
    return bool(received)


async def test_a_message_that_was_refused_keeps_no_later_one_back(desk: Desk):
    job = await desk.job()
    desk.web.answers = [503]
    await desk.fail(job)
    await desk.run(job)

    await desk.send()

    assert [(body.json["kind"]) for body in desk.web.received] == ["failure", "recovery"]
    assert [notice["status"] for notice in await desk.notices()] == ["pending", "sent"]


async def test_jobs_keep_no_other_jobs_message_back(desk: Desk):
    for name in ("one", "two"):
        await desk.fail(await desk.job(name), times=2)

    await desk.send()

    assert [(body.json["job_name"], body.json["kind"]) for body in desk.web.received] == [
        ("one", "failure"),
        ("two", "failure"),
    ]


async def test_a_recovery_is_told_to_those_who_did_not_want_to_hear_of_the_failure(desk: Desk):
    job = await desk.job(notify={"webhook": desk.web.url, "on": ["recovery"]})
    await desk.fail(job, times=2)
    await desk.run(job)

    await desk.send()

    assert desk.told == [("recovery", 0)]


async def test_executions_that_fail_together_are_told_as_one(desk: Desk):
    job = await desk.job(overlap={"policy": "allow", "max": 6})
    desk.node.executor.outcomes = [failed()] * 6
    desk.node.executor.hold()
    for _ in range(6):
        await desk.node.operating.run(DEFAULT_TENANT, job.id, actor=ACTOR)
    await desk.node.work()
    await desk.node.executor.begun(6)

    desk.node.executor.may_end.set()
    await desk.node.idle()
    await desk.run(job)
    await desk.send()

    assert desk.told == [("failure", 0), ("recovery", 5)]


async def test_what_two_workers_end_at_once_is_told_as_one(desk: Desk, truth):
    job = await desk.job()
    runs = [await desk.run(job) for _ in range(2)]
    await truth.execute("UPDATE job_execution SET status = 'failed'")
    first, second = [await _claimed(desk, run.id) for run in runs]
    uow: Any = desk.container.job_uow()
    ending = desk.node.ends._ending

    async def end_second() -> None:
        async with uow(DEFAULT_TENANT) as unit:
            await ending.follow(unit, [second])
            await unit.commit("test.second")

    async with uow(DEFAULT_TENANT) as unit:
        await ending.follow(unit, [first])
        ends = asyncio.create_task(end_second())

        async def waits_or_is_done() -> bool:
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            return ends.done() or bool(await truth.fetchval(waiting))

        await eventually(waits_or_is_done)
        await unit.commit("test.first")
    await ends

    assert [notice["execution_id"] for notice in await desk.notices()] == [first.execution.id]


async def test_slots_missed_in_one_outage_are_one_message(desk: Desk):
    job = await desk.job()
    now = await desk.books.now()
    newest = now.replace(second=0, microsecond=0)
    await desk.books.due_since(job, newest - 30 * MINUTE)

    await desk.node.firing.fire_due()
    await desk.send()

    missed = [run for run in await desk.books.runs(job) if run.status == "missed"]
    [received] = desk.web.received
    assert len(missed) > 25
    assert received.json["kind"] == "missed"
    assert received.json["stands_for"] == len(missed)
    assert received.json["first_scheduled_at"] == missed[0].scheduled_at.isoformat()
    assert received.json["scheduled_at"] == missed[-1].scheduled_at.isoformat()


async def test_more_missed_slots_are_told_an_hour_later(desk: Desk):
    job = await desk.job()
    newest = (await desk.books.now()).replace(second=0, microsecond=0)
    for minutes in (9, 6, 3):
        # Each time the clocks were away for some minutes; the slots differ, so that none was fired before.
        await desk.books.rows("DELETE FROM job_slot")
        await desk.books.due_since(job, newest - minutes * MINUTE)
        await desk.node.firing.fire_due()
        await desk.node.work_off()
    await desk.send()

    assert [body.json["kind"] for body in desk.web.received] == ["missed"]


async def test_a_notice_is_put_down_with_the_end_or_not_at_all(desk: Desk):
    job = await desk.job()
    uow: Any = desk.container.job_uow()
    run = await desk.run(job)
    written = await _claimed(desk, run.id)

    async with uow(DEFAULT_TENANT) as unit:
        await desk.node.ends._ending.follow(unit, [written])
        # Nothing is committed: the process dies here.

    assert await desk.notices() == []


async def test_nobody_is_told_of_a_run_that_was_canceled_or_skipped(desk: Desk):
    job = await desk.job(notify={"webhook": desk.web.url, "on": EVERYTHING})
    run = await desk.node.operating.run(DEFAULT_TENANT, job.id, actor=ACTOR)

    await desk.node.operating.cancel(DEFAULT_TENANT, run.id, actor=ACTOR)

    assert await desk.notices() == []


async def _claimed(desk: Desk, execution_id: UUID) -> ClaimedRun:
    """The execution as if it had just failed."""
    async with desk.container.job_uow()(DEFAULT_TENANT) as unit:
        found = await unit.runs.get(execution_id)
    assert found is not None
    return replace(found, execution=replace(found.execution, status=RunStatus.FAILED))
