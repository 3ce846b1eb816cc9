import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from qs.application.scheduler.recovering import ExecutionRecovery
from qs.domain.kernel.errors import Refused
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from qs.domain.scheduler.errors import DutyUnbound, ShuttingDown, TooManyWaiting
from qs.domain.scheduler.execution import DUTY_LEASE, Lease
from qs.infra.scheduler.executions import SqlLostExecutions
from qs.infra.scheduler.unit_of_work import SchedulerUnitsOfWork, SqlSchedulerUnitOfWork
from tests.support.processes import running
from tests.support.waiting import eventually

from .machines import ASKED, DEAD, Books, Machine, Recorder, dying_machine

QUICK = Lease(length=timedelta(seconds=30), heartbeat=timedelta(milliseconds=50))


class NotToday(Refused):
    code = "test.not_today"
    sentence = "it is Sunday, when nothing is done; ask again tomorrow"


@pytest.fixture
def books(engine):
    return Books(engine)


async def test_work_runs_under_a_row_that_tells_of_it(engine, books):
    # A lease that nothing moves on, however long the test takes to look at it.
    machine = Machine(engine, lease=Lease(DUTY_LEASE.length, heartbeat=timedelta(hours=1)))
    held_up = Recorder()

    running = asyncio.create_task(
        machine.executions.run("sweep", parameters={"limit": 5}, work=held_up, **ASKED)
    )
    await held_up.begun()
    (during,) = await books.executions()
    held_up.may_end.set()
    executed = await running
    after = await books.execution(executed.execution_id)

    assert (during.status, during.worker, during.attempt) == ("running", machine.executions.worker, 1)
    assert timedelta(seconds=5) < during.lease_until - during.started_at < timedelta(seconds=7)
    assert (during.fired_by, during.actor, during.parameters, during.scheduled_at) == (
        "http",
        "user:anna",
        {"limit": 5},
        None,
    )
    assert held_up.contexts[0].execution_id == executed.execution_id
    assert held_up.contexts[0].parameters == {"limit": 5}
    assert executed.result == {"opened": 3}
    assert (after.status, after.result, after.error) == ("succeeded", {"opened": 3}, None)
    assert after.finished_at >= after.started_at
    assert await books.audited(executed.execution_id) == ["duty.run"]


async def test_one_tenants_executions_are_another_ones_business(engine):
    machine = Machine(engine)

    executed = await machine.executions.run("sweep", **ASKED)

    assert await Books(engine, PLATFORM_TENANT).executions() == []
    assert machine.recorder.contexts[0].only_tenant == DEFAULT_TENANT
    assert (await Books(engine).execution(executed.execution_id)).tenant_id == DEFAULT_TENANT


async def test_a_platform_execution_means_every_tenant(engine):
    machine = Machine(engine)

    await machine.executions.run("sweep", **ASKED | {"tenant_id": PLATFORM_TENANT})

    assert machine.recorder.contexts[0].only_tenant is None


async def test_a_refusal_fails_the_execution_with_its_words_and_reaches_the_caller(engine, books):
    async def refuse(_):
        raise NotToday

    with pytest.raises(NotToday):
        await Machine(engine).executions.run("sweep", work=refuse, **ASKED)

    (row,) = await books.executions()
    assert (row.status, row.result) == ("failed", None)
    assert row.error == "test.not_today: it is Sunday, when nothing is done; ask again tomorrow"


async def test_an_unforeseen_error_leaves_its_text_out_of_the_row(engine, books):
    async def stumble(_):
        raise ValueError("mail to anna@example.org bounced")

    with pytest.raises(ValueError, match="bounced"):
        await Machine(engine).executions.run("sweep", work=stumble, **ASKED)

    (row,) = await books.executions()
    assert (row.status, row.error) == ("failed", "internal error (ValueError)")


async def test_nothing_is_recorded_for_a_duty_nobody_bound(engine, books):
    machine = Machine(engine)

    with pytest.raises(DutyUnbound):
        await machine.executions.run("daydream", **ASKED)
    with pytest.raises(DutyUnbound):
        await machine.executions.start_in_background("daydream", **ASKED)

    assert await books.executions() == []


async def test_the_heartbeat_moves_the_lease_on_while_the_work_goes_on(engine, books):
    held_up = Recorder()
    machine = Machine(engine, lease=QUICK)
    running = asyncio.create_task(machine.executions.run("sweep", work=held_up, **ASKED))
    await held_up.begun()
    (first,) = await books.executions()

    async def moved_on() -> bool:
        (row,) = await books.executions()
        return bool(row.lease_until > first.lease_until + timedelta(milliseconds=90))

    await eventually(moved_on)
    held_up.may_end.set()
    await running


async def test_the_heartbeat_ends_with_the_work(engine):
    machine = Machine(engine, lease=QUICK)

    await machine.executions.run("sweep", **ASKED)

    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("heartbeat-")] == []


async def test_a_writer_whose_lease_was_taken_away_is_refused_and_audited(engine, books):
    held_up = Recorder()
    sleeper, other = Machine(engine, lease=DEAD), Machine(engine)
    running = asyncio.create_task(sleeper.executions.run("sweep", work=held_up, **ASKED))
    await held_up.begun()

    await other.recovery.recover()
    held_up.may_end.set()
    executed = await running

    row = await books.execution(executed.execution_id)
    assert executed.result == {"opened": 3}
    assert (row.status, row.result, row.epoch) == ("lost", None, 2)
    assert await books.audited(executed.execution_id) == ["duty.run", "execution.end_refused"]


async def test_a_caller_who_was_waiting_asks_again_himself(engine, books):
    held_up = Recorder()
    running = asyncio.create_task(Machine(engine, lease=DEAD).executions.run("sweep", work=held_up, **ASKED))
    await held_up.begun()

    other = Machine(engine)
    recovered = await other.recovery.recover()
    held_up.may_end.set()
    await running

    (row,) = await books.executions()
    assert recovered == []
    assert (row.status, row.retried_as) == ("lost", None)


async def test_a_canceled_caller_gives_the_execution_back_at_once(engine, books):
    held_up = Recorder()
    running = asyncio.create_task(Machine(engine).executions.run("sweep", work=held_up, **ASKED))
    await held_up.begun()

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await Machine(engine).recovery.recover()

    (row,) = await books.executions()
    assert row.status == "lost"


async def test_background_work_is_known_by_its_id_from_the_first_moment_on(engine, books):
    held_up = Recorder()
    machine = Machine(engine, work=held_up, side_by_side=1)

    first = await machine.executions.start_in_background("sweep", parameters={"before": None}, **ASKED)
    second = await machine.executions.start_in_background("sweep", **ASKED)
    await held_up.begun()
    states = [(await books.execution(each)).status for each in (first, second)]
    held_up.may_end.set()
    await machine.drain()

    assert states == ["running", "queued"]
    rows = [await books.execution(each) for each in (first, second)]
    assert [(row.status, row.result) for row in rows] == [("succeeded", {"opened": 3})] * 2
    assert [context.execution_id for context in held_up.contexts] == [first, second]


async def test_background_work_that_fails_says_so_in_its_row(engine, books):
    async def refuse(_):
        raise NotToday

    machine = Machine(engine, work=refuse)

    execution_id = await machine.executions.start_in_background("sweep", **ASKED)

    assert (await books.ended(execution_id)).error.startswith("test.not_today: ")


async def test_a_full_process_takes_no_more_background_work(engine, books):
    held_up = Recorder()
    machine = Machine(engine, work=held_up, side_by_side=1, waiting=1)
    for _ in range(2):
        await machine.executions.start_in_background("sweep", **ASKED)

    with pytest.raises(TooManyWaiting):
        await machine.executions.start_in_background("sweep", **ASKED)

    held_up.may_end.set()
    await machine.drain()
    assert [row.status for row in await books.executions()] == ["succeeded"] * 2


async def test_a_stopping_process_takes_no_background_work(engine):
    machine = Machine(engine)
    await machine.drain()

    with pytest.raises(ShuttingDown):
        await machine.executions.start_in_background("sweep", **ASKED)


async def test_what_does_not_end_in_time_is_given_back_and_taken_over_at_once(engine, books):
    stopping, other = Machine(engine, work=Recorder()), Machine(engine)
    execution_id = await stopping.executions.start_in_background("sweep", parameters={"limit": 7}, **ASKED)

    await stopping.drain(timedelta(0))
    (successor,) = await other.recovery.recover()
    await other.drain()

    lost, taken_over = await books.executions()
    assert (lost.id, lost.status, lost.retried_as) == (execution_id, "lost", successor.id)
    assert (taken_over.status, taken_over.attempt, taken_over.result) == ("succeeded", 2, {"opened": 3})
    assert other.recorder.contexts[0].parameters == {"limit": 7}


async def test_what_was_lost_in_numbers_is_taken_over_a_few_at_a_time(engine, books):
    dying, _ = await dying_machine(engine, executions=3)
    held_up = Recorder()
    other = Machine(engine, work=held_up, side_by_side=2)

    recovered = await other.recovery.recover()
    await held_up.begun(2)
    at_work = len(held_up.contexts)
    held_up.may_end.set()
    await other.drain()
    await dying.drain(timedelta(0))

    assert (len(recovered), at_work, len(held_up.contexts)) == (3, 2, 3)
    assert [row.status for row in await books.executions()] == ["lost"] * 3 + ["succeeded"] * 3


async def test_background_work_lost_twice_is_not_tried_a_third_time(engine, books):
    first, _ = await dying_machine(engine)
    second, third = (Machine(engine, work=Recorder(), lease=DEAD) for _ in range(2))

    recovered = [await second.recovery.recover(), await third.recovery.recover()]
    for machine in (first, second):
        await machine.drain(timedelta(0))

    assert [len(each) for each in recovered] == [1, 0]
    assert [(row.status, row.attempt) for row in await books.executions()] == [("lost", 1), ("lost", 2)]


async def test_of_many_who_find_it_lost_one_takes_over(engine, books):
    dying, _ = await dying_machine(engine)
    finders = [Machine(engine) for _ in range(8)]

    recovered = await asyncio.gather(*(machine.recovery.recover() for machine in finders))
    for machine in finders:
        await machine.drain()
    await dying.drain(timedelta(0))

    assert sum(len(each) for each in recovered) == 1
    assert [row.status for row in await books.executions()] == ["lost", "succeeded"]


async def test_one_execution_that_cannot_be_taken_over_leaves_the_others_to_be(engine, books):
    dying, lost = await dying_machine(engine, executions=3)
    other = Machine(engine)
    # The first successor gets an id that is taken, which the database refuses.
    ids = iter([lost[2], uuid7(), uuid7()])
    unit_of_work: Any = SchedulerUnitsOfWork(engine)
    recovery = ExecutionRecovery(unit_of_work, SqlLostExecutions(engine), other.executions, lambda: next(ids))

    recovered = await recovery.recover()
    await other.drain()
    again = await other.recovery.recover()
    await other.drain()
    await dying.drain(timedelta(0))

    assert (len(recovered), len(again)) == (2, 1)
    assert [row.status for row in await books.executions()] == ["lost"] * 3 + ["succeeded"] * 3


async def test_what_is_held_again_by_the_time_it_would_be_taken_stays_with_its_holder(engine, books):
    held_up = Recorder()
    machine = Machine(engine, work=held_up)
    execution_id = await machine.executions.start_in_background("sweep", **ASKED)
    await held_up.begun()

    async with SqlSchedulerUnitOfWork(engine, DEFAULT_TENANT) as uow:
        taken = await uow.executions.lose(execution_id)
        await uow.commit("test")
    held_up.may_end.set()
    await machine.drain()

    assert taken is None
    assert (await books.execution(execution_id)).status == "succeeded"


async def test_work_nobody_knows_any_more_is_lost_for_good(engine, books):
    dying, _ = await dying_machine(engine)
    other = Machine(engine, registry={})

    recovered = await other.recovery.recover()
    await dying.drain(timedelta(0))

    assert recovered == []
    assert [row.status for row in await books.executions()] == ["lost"]


async def test_a_killed_process_is_missed_and_its_work_done_by_another(engine, books, database_url):
    command = sys.executable, Path(__file__).with_name("holder.py"), database_url, "sweep"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    async with running(*command, env=environment, stdout=asyncio.subprocess.PIPE) as holder:
        assert holder.stdout is not None
        execution_id = UUID((await holder.stdout.readline()).decode().strip())
        assert (await books.execution(execution_id)).status == "running"
    other = Machine(engine)

    (successor,) = await eventually(other.recovery.recover)
    await other.drain()

    assert (await books.execution(execution_id)).status == "lost"
    assert (await books.execution(successor.id)).status == "succeeded"
