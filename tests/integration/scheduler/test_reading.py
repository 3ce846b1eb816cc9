import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from qs.application.scheduler.ports import ExecutionFilter
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from qs.domain.scheduler.duty import Duty
from qs.domain.scheduler.errors import ExecutionAbsent
from qs.domain.scheduler.execution import ExecutionStatus

from .machines import ASKED, DEAD, NOON, Books, Machine, Recorder, Slots

OTHER_TENANT = UUID("00000000-0000-7000-8000-0000000000aa")
EVERYTHING = ExecutionFilter()


@pytest.fixture
def duties():
    return [Duty("sweep", Slots(NOON)), Duty("expiry", Slots(NOON))]


async def ids(machine: Machine, tenant_id: UUID = DEFAULT_TENANT, **filters: Any) -> list[UUID]:
    found = await machine.reading.executions(tenant_id, ExecutionFilter(**filters), before=None, size=100)
    return [execution.id for execution in found]


async def test_a_duty_that_never_ran_has_a_next_run_and_no_last_one(engine, duties):
    states = await Machine(engine, duties=duties).reading.jobs(DEFAULT_TENANT)

    assert [(state.duty.name, state.next_run, state.last) for state in states] == [
        ("sweep", NOON + timedelta(minutes=1), None),
        ("expiry", NOON + timedelta(minutes=1), None),
    ]


async def test_nothing_is_announced_while_the_clock_is_off(engine, duties):
    states = await Machine(engine, duties=duties, internal_clock=False).reading.jobs(DEFAULT_TENANT)

    assert [state.next_run for state in states] == [None, None]


async def test_the_last_run_is_the_newest_of_the_clocks_and_the_tenants_own(engine, duties):
    machine = Machine(engine, duties=duties)
    await machine.firing.fire_due()
    await machine.drain()
    own = await machine.executions.run("sweep", **ASKED)

    mine = {state.duty.name: state.last for state in await machine.reading.jobs(DEFAULT_TENANT)}
    theirs = {state.duty.name: state.last for state in await machine.reading.jobs(OTHER_TENANT)}

    assert mine["sweep"] is not None
    assert mine["sweep"].id == own.execution_id
    assert [last and last.fired_by for last in (mine["expiry"], *theirs.values())] == ["clock"] * 3


async def test_a_history_is_read_newest_first_in_slices(engine):
    machine = Machine(engine)
    made = [(await machine.executions.run("sweep", **ASKED)).execution_id for _ in range(5)]

    first = await machine.reading.executions(DEFAULT_TENANT, EVERYTHING, before=None, size=2)
    second = await machine.reading.executions(DEFAULT_TENANT, EVERYTHING, before=first[-1].id, size=2)
    third = await machine.reading.executions(DEFAULT_TENANT, EVERYTHING, before=second[-1].id, size=2)

    assert [each.id for each in (*first, *second, *third)] == made[::-1]


async def test_a_history_can_be_narrowed_to_a_name_and_a_status(engine):
    machine = Machine(engine, duties=[Duty("expiry", Slots(NOON))])

    async def fail(_):
        raise ValueError

    sweep = (await machine.executions.run("sweep", **ASKED)).execution_id
    expiry = (await machine.executions.run("expiry", **ASKED)).execution_id
    with pytest.raises(ValueError):  # noqa: PT011 - its only message is where it came from
        await machine.executions.run("sweep", work=fail, **ASKED)
    (failed,) = await ids(machine, status=ExecutionStatus.FAILED)

    assert await ids(machine, name="expiry") == [expiry]
    assert await ids(machine, name="sweep") == [failed, sweep]
    assert await ids(machine, name="sweep", status=ExecutionStatus.SUCCEEDED) == [sweep]
    assert await ids(machine, name="validate") == []


async def test_running_means_an_unexpired_lease_whatever_was_written_down(engine):
    held_up = Recorder()
    dead, alive = Machine(engine, work=held_up, lease=DEAD), Machine(engine, work=held_up)
    lost = await dead.executions.start_in_background("sweep", **ASKED)
    running = await alive.executions.start_in_background("sweep", **ASKED)
    await held_up.begun(2)

    stored = {row.id: row.status for row in await Books(engine).executions()}
    shown = [(await alive.reading.execution(DEFAULT_TENANT, each)).status for each in (lost, running)]
    filtered = [await ids(alive, status=status) for status in (ExecutionStatus.LOST, ExecutionStatus.RUNNING)]
    held_up.may_end.set()
    await asyncio.gather(dead.drain(), alive.drain())

    assert stored == {lost: "running", running: "running"}
    assert shown == [ExecutionStatus.LOST, ExecutionStatus.RUNNING]
    assert filtered == [[lost], [running]]


async def test_an_execution_shows_what_was_asked_and_what_came_of_it(engine):
    machine = Machine(engine)
    execution_id = (await machine.executions.run("sweep", parameters={"limit": 2}, **ASKED)).execution_id

    execution = await machine.reading.execution(DEFAULT_TENANT, execution_id)

    assert (execution.parameters, execution.result) == ({"limit": 2}, {"opened": 3})


async def test_who_started_an_execution_may_read_it(engine):
    machine = Machine(engine)
    execution_id = (await machine.executions.run("sweep", **ASKED)).execution_id

    found = await machine.reading.execution(DEFAULT_TENANT, execution_id, started_by="user:anna")

    assert found.id == execution_id
    with pytest.raises(ExecutionAbsent):
        await machine.reading.execution(DEFAULT_TENANT, execution_id, started_by="user:bert")


@pytest.mark.parametrize("tenant_id", [OTHER_TENANT, PLATFORM_TENANT])
async def test_another_tenants_execution_is_absent_like_one_that_never_was(engine, tenant_id: UUID):
    machine = Machine(engine)
    execution_id = (await machine.executions.run("sweep", **ASKED)).execution_id

    assert await ids(machine, tenant_id) == []
    for absent in (execution_id, uuid7()):
        with pytest.raises(ExecutionAbsent):
            await machine.reading.execution(tenant_id, absent)
