import asyncio
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from qs.application.scheduler.holding import ExecutionHolding
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.scheduler.execution import Execution, ExecutionStatus, FiredBy, Lease

OFTEN = Lease(length=timedelta(seconds=6), heartbeat=timedelta(milliseconds=1))


class FakeExecutions:
    """Records what is written, and takes its time to let go of an execution."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.hurried: list[bool] = []
        self.beaten = asyncio.Event()

    async def start(self, execution: Execution, lease: timedelta) -> bool:
        self.written.append("started")
        return True

    async def finish(self, execution: Execution, status: ExecutionStatus, **end: Any) -> bool:
        self.written.append("finished")
        return True

    async def extend(self, execution: Execution, lease: timedelta) -> bool:
        self.written.append("extended")
        self.beaten.set()
        return True

    async def give_back(self, execution: Execution) -> None:
        self.written.append("given back")
        self.beaten.clear()
        # As long as a heart that still beats needs for its next beat.
        with suppress(TimeoutError):
            await asyncio.wait_for(self.beaten.wait(), 0.1)


class FakeUnitOfWork:
    def __init__(self, executions: FakeExecutions) -> None:
        self.executions = executions
        self.hurries = False

    async def hurry(self) -> None:
        self.hurries = True

    async def commit(self, at: str) -> None:
        self.executions.hurried.append(self.hurries)


@pytest.fixture
def executions() -> FakeExecutions:
    return FakeExecutions()


@pytest.fixture
def holding(executions: FakeExecutions) -> ExecutionHolding:
    @asynccontextmanager
    async def unit_of_work(tenant_id):
        yield FakeUnitOfWork(executions)

    factory: Any = unit_of_work
    return ExecutionHolding(factory, OFTEN)


@pytest.fixture
def execution() -> Execution:
    return Execution(
        id=uuid7(),
        tenant_id=DEFAULT_TENANT,
        name="sweep",
        fired_by=FiredBy.HTTP,
        actor="user:anna",
        status=ExecutionStatus.QUEUED,
    )


async def test_no_sign_of_life_follows_once_an_execution_was_given_back(holding, execution, executions):
    async def hold() -> None:
        async with holding.held(execution):
            await asyncio.Event().wait()

    held = asyncio.create_task(hold())
    await executions.beaten.wait()
    held.cancel()
    with pytest.raises(asyncio.CancelledError):
        await held

    assert executions.written[-1] == "given back"


async def test_a_heart_whose_cancellation_was_lost_beats_no_more(holding, execution, executions, monkeypatch):
    async def extend(execution: Execution, lease: timedelta) -> bool:
        executions.written.append("extended")
        executions.beaten.set()
        # Its answer comes in the same moment as the cancellation, which asyncio.wait_for of Python 3.11 then drops.
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return True

    monkeypatch.setattr(executions, "extend", extend)

    async with asyncio.timeout(60), holding.held(execution):
        await executions.beaten.wait()

    assert executions.written == ["extended"]


async def test_every_write_of_a_holder_is_ended_by_the_server_should_the_holder_freeze_in_it(
    holding, execution, executions
):
    async def work(context: Any) -> dict[str, int]:
        await executions.beaten.wait()
        return {}

    async with holding.held(execution):
        await holding.start(execution)
        await holding.work_on(execution, work)

    assert {"started", "extended", "finished"} <= set(executions.written)
    assert executions.hurried == [True] * len(executions.written)
