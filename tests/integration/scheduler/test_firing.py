import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from qs.application.scheduler.firing import Fired
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from qs.domain.scheduler.duty import Duty, Every
from qs.domain.scheduler.errors import DutyUnbound
from qs.infra.scheduler.unit_of_work import SqlSchedulerUnitOfWork
from tests.support.waiting import eventually

from .machines import ASKED, DEAD, NOON, Books, Machine, Recorder, Slots, dying_machine

MINUTE = timedelta(minutes=1)


@pytest.fixture
def books(engine):
    return Books(engine, PLATFORM_TENANT)


@pytest.fixture
def slots():
    return Slots(NOON)


@pytest.fixture
def sweep(slots):
    return Duty("sweep", slots)


async def test_a_due_slot_is_fired_and_its_work_done_for_every_tenant(engine, books, sweep):
    machine = Machine(engine, duties=[sweep])

    (fired,) = await machine.firing.fire_due()
    await machine.drain()

    (row,) = await books.executions()
    (slot,) = await books.slots()
    assert fired == Fired("sweep", NOON, row.id)
    assert (row.status, row.fired_by, row.actor, row.scheduled_at) == (
        "succeeded",
        "clock",
        "clock:internal",
        NOON,
    )
    assert (slot.scheduled_at, slot.execution_id, slot.outcome) == (NOON, row.id, "fired")
    assert machine.recorder.contexts[0].only_tenant is None
    assert machine.recorder.contexts[0].scheduled_at == NOON


async def test_eight_machines_fire_each_slot_once(engine, books, slots, sweep):
    expiry = Duty("expiry", slots)
    machines = [Machine(engine, duties=[sweep, expiry]) for _ in range(8)]

    for _ in range(5):
        await asyncio.gather(*(machine.firing.fire_due() for machine in machines for _ in range(2)))
        await asyncio.gather(*(machine.drain() for machine in machines))
        slots.latest += MINUTE

    rows = await books.executions()
    fired = sorted((row.name, row.scheduled_at) for row in rows)
    assert fired == sorted((name, NOON + n * MINUTE) for name in ("expiry", "sweep") for n in range(5))
    assert {row.status for row in rows} == {"succeeded"}
    assert [slot.outcome for slot in await books.slots()] == ["fired"] * 10
    assert sum(len(machine.recorder.contexts) for machine in machines) == 10


async def test_a_slot_that_was_fired_is_not_fired_again(engine, books, sweep):
    machine = Machine(engine, duties=[sweep])
    await machine.firing.fire_due()
    await machine.drain()

    again = await Machine(engine, duties=[sweep]).firing.fire_due()

    assert again == []
    assert len(await books.executions()) == 1


async def test_slots_missed_while_no_machine_ran_collapse_into_the_newest(engine, books, slots, sweep):
    stopped = Machine(engine, duties=[sweep])
    await stopped.firing.fire_due()
    await stopped.drain()

    slots.latest += 90 * MINUTE
    started = Machine(engine, duties=[sweep])
    fired = await started.firing.fire_due()
    await started.drain()

    assert [each.scheduled_at for each in fired] == [NOON + 90 * MINUTE]
    assert [row.scheduled_at for row in await books.executions()] == [NOON, NOON + 90 * MINUTE]


async def test_the_databases_clock_says_what_is_due(engine, books):
    machine = Machine(engine, duties=[Duty("sweep", Every(timedelta(hours=1)))])

    (fired,) = await machine.firing.fire_due()
    await machine.drain()

    ((now,),) = await books.rows("SELECT clock_timestamp()")
    assert fired.scheduled_at.minute == fired.scheduled_at.second == fired.scheduled_at.microsecond == 0
    assert timedelta(0) <= now - fired.scheduled_at < timedelta(hours=1, minutes=1)


async def test_a_clock_that_ran_ahead_and_was_set_right_stops_no_duty_and_repeats_no_slot(
    engine, books, slots, sweep
):
    machine = Machine(engine, duties=[sweep])
    for latest in (NOON, NOON + 1440 * MINUTE, NOON, NOON + MINUTE):
        slots.latest = latest
        await machine.firing.fire_due()
        await machine.drain()

    assert [row.scheduled_at for row in await books.executions()] == [
        NOON,
        NOON + 1440 * MINUTE,
        NOON + MINUTE,
    ]


async def test_business_time_moves_no_slot(engine, books, sweep):
    async with SqlSchedulerUnitOfWork(engine, PLATFORM_TENANT) as uow:
        await uow.connection.exec_driver_sql("UPDATE business_clock SET clock_offset = interval '40 days'")
        await uow.commit("test")
    machine = Machine(engine, duties=[Duty("sweep", Every(timedelta(hours=1)))])

    (fired,) = await machine.firing.fire_due()
    await machine.drain()

    assert fired.scheduled_at <= datetime.now(UTC) + timedelta(minutes=1)


async def test_firing_does_not_wait_for_the_work(engine, sweep):
    held_up = Recorder()
    machine = Machine(engine, duties=[sweep], work=held_up)

    fired = await machine.firing.fire_due()
    nothing_more = await machine.firing.fire_due()
    held_up.may_end.set()
    await machine.drain()

    assert (len(fired), nothing_more) == (1, [])


async def test_a_slot_that_comes_while_its_duty_still_runs_is_skipped_and_names_what_was_in_its_way(
    engine, books, slots, sweep
):
    held_up = Recorder()
    busy, idle = Machine(engine, duties=[sweep], work=held_up), Machine(engine, duties=[sweep])
    (first,) = await busy.firing.fire_due()

    slots.latest += MINUTE
    skipped = await idle.firing.fire_due()
    held_up.may_end.set()
    await busy.drain()
    slots.latest += MINUTE
    (third,) = await idle.firing.fire_due()
    await idle.drain()

    assert skipped == [Fired("sweep", NOON + MINUTE, None)]
    assert [(slot.outcome, slot.execution_id) for slot in await books.slots()] == [
        ("fired", first.execution_id),
        ("skipped", first.execution_id),
        ("fired", third.execution_id),
    ]
    assert [row.scheduled_at for row in await books.executions()] == [NOON, NOON + 2 * MINUTE]


async def test_a_call_over_http_is_not_in_the_way_of_a_slot(engine, books, sweep):
    held_up = Recorder()
    calling = Machine(engine, work=held_up)
    call = asyncio.create_task(calling.executions.run("sweep", **ASKED | {"tenant_id": PLATFORM_TENANT}))
    await held_up.begun()

    machine = Machine(engine, duties=[sweep])
    (fired,) = await machine.firing.fire_due()
    await machine.drain()
    held_up.may_end.set()
    await call

    assert (await books.execution(fired.execution_id)).status == "succeeded"


async def test_a_running_slot_is_not_in_the_way_of_a_call_over_http(engine, sweep):
    held_up = Recorder()
    machine = Machine(engine, duties=[sweep], work=held_up)
    await machine.firing.fire_due()
    await held_up.begun()

    executed = await machine.executions.run("sweep", work=Recorder.free(), **ASKED)

    assert executed.result == {"opened": 3}
    held_up.may_end.set()
    await machine.drain()


async def test_a_lost_firing_is_fired_again_as_the_next_attempt_at_the_same_slot(engine, books, sweep):
    dying = Machine(engine, duties=[sweep], work=Recorder(), lease=DEAD)
    (fired,) = await dying.firing.fire_due()

    other = Machine(engine, duties=[sweep])
    await other.look()
    await other.drain()
    await dying.drain(timedelta(0))

    lost, again = await books.executions()
    assert (lost.id, lost.status, lost.attempt, lost.retried_as) == (fired.execution_id, "lost", 1, again.id)
    assert (again.status, again.attempt, again.scheduled_at, again.fired_by) == (
        "succeeded",
        2,
        NOON,
        "clock",
    )
    assert len(await books.slots()) == 1


async def test_a_firing_that_kills_every_holder_is_given_up_after_five_attempts(engine, books, sweep):
    machines = [Machine(engine, duties=[sweep], work=Recorder(), lease=DEAD) for _ in range(7)]

    for machine in machines:
        await machine.look()
    for machine in machines:
        await machine.drain(timedelta(0))

    rows = await books.executions()
    assert [(row.status, row.attempt) for row in rows] == [("lost", n) for n in range(1, 6)]


async def test_a_late_holder_does_not_end_what_was_fired_again(engine, books, sweep):
    held_up = Recorder(result={"opened": 99})
    sleeper = Machine(engine, duties=[sweep], work=held_up, lease=DEAD)
    await sleeper.firing.fire_due()
    await held_up.begun()
    other = Machine(engine, duties=[sweep])
    await other.look()
    await other.drain()

    held_up.may_end.set()
    await sleeper.drain()

    lost, again = await books.executions()
    assert (lost.status, lost.result) == ("lost", None)
    assert (again.status, again.result) == ("succeeded", {"opened": 3})
    assert await books.audited(lost.id) == ["execution.end_refused"]


async def test_without_an_internal_clock_nothing_fires_and_the_lost_are_still_found(engine, books, sweep):
    dying, _ = await dying_machine(engine)
    machine = Machine(engine, duties=[sweep], internal_clock=False)

    fired = await machine.look()
    await machine.drain()
    await dying.drain(timedelta(0))

    assert fired == []
    assert await books.slots() == []
    assert [row.status for row in await Books(engine, DEFAULT_TENANT).executions()] == ["lost", "succeeded"]


async def test_a_clock_refuses_a_duty_that_does_nothing(engine, sweep):
    with pytest.raises(DutyUnbound):
        Machine(engine, duties=[sweep], registry={})


async def test_a_process_frozen_in_the_middle_of_a_heartbeat_stops_no_duty(engine, books, sweep):
    freezing, (execution_id,) = await dying_machine(engine)
    machine = Machine(engine, duties=[sweep])

    async with SqlSchedulerUnitOfWork(engine, DEFAULT_TENANT) as frozen:
        execution = await frozen.executions.get(execution_id)
        assert execution is not None
        assert await frozen.executions.extend(execution, timedelta(seconds=6))
        (fired,) = await machine.firing.fire_due()
        during = (await Books(engine).execution(execution_id)).status
    (successor,) = await machine.recovery.recover()
    await machine.drain()
    await freezing.drain(timedelta(0))

    assert during == "running"
    assert (await books.execution(fired.execution_id)).status == "succeeded"
    assert (await Books(engine).execution(execution_id)).retried_as == successor.id


async def test_a_process_frozen_in_the_middle_of_a_claim_does_not_stop_the_duty(engine, books, slots, sweep):
    frozen = SqlSchedulerUnitOfWork(engine, PLATFORM_TENANT)
    async with frozen as uow:
        await uow.hurry()
        assert await uow.slots.claim("sweep", NOON, uuid7())

        machine = Machine(engine, duties=[sweep])

        async def look() -> list[Fired]:
            # Its patience may end a moment before that of the server, and then the next look finds the row free.
            with suppress(DBAPIError):
                return await machine.firing.fire_due()
            return []

        (fired,) = await eventually(look)
        await machine.drain()

        with pytest.raises(DBAPIError, match=r"connection (is|was) closed"):
            await uow.commit("test")
    assert (await books.execution(fired.execution_id)).status == "succeeded"
