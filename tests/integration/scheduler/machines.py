"""What one process of qs has of the scheduler, so that a test can have several."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from qs.application.kernel.background import BackgroundWork
from qs.application.scheduler.executing import DutyExecutions
from qs.application.scheduler.firing import DutyFiring, Fired
from qs.application.scheduler.ports import DutyContext, Work
from qs.application.scheduler.reading import DutyReading
from qs.application.scheduler.recovering import ExecutionRecovery
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.scheduler.duty import Duty
from qs.domain.scheduler.execution import DUTY_LEASE, FiredBy, Lease
from qs.infra.scheduler.executions import SqlLostExecutions
from qs.infra.scheduler.unit_of_work import SchedulerUnitsOfWork
from tests.support.waiting import eventually

# A holder with it is believed dead at once, and never says that it is not.
DEAD = Lease(length=timedelta(0), heartbeat=timedelta(hours=1))

ASKED: dict[str, Any] = {"fired_by": FiredBy.HTTP, "actor": "user:anna", "tenant_id": DEFAULT_TENANT}

DEADLINE = timedelta(seconds=60)


@dataclass
class Slots:
    """A timing whose newest slot the test decides."""

    latest: datetime
    period: timedelta = timedelta(minutes=1)
    kind: str = "duration"
    schedule: str = "1m"
    timezone: str | None = None

    def latest_slot(self, now: datetime) -> datetime:
        return self.latest

    def next_slot(self, after: datetime) -> datetime:
        return self.latest + self.period


NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


@dataclass
class Recorder:
    """Work that keeps what it was told, and can be held up."""

    contexts: list[DutyContext] = field(default_factory=list)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    result: Mapping[str, Any] = field(default_factory=lambda: {"opened": 3})

    @classmethod
    def free(cls) -> "Recorder":
        recorder = cls()
        recorder.may_end.set()
        return recorder

    async def __call__(self, context: DutyContext) -> Mapping[str, Any]:
        self.contexts.append(context)
        await self.may_end.wait()
        return self.result

    async def begun(self, times: int = 1) -> None:
        async def enough() -> bool:
            return len(self.contexts) >= times

        await eventually(enough)


class Machine:
    def __init__(
        self,
        engine: AsyncEngine,
        *,
        duties: Sequence[Duty] = (),
        work: Work | None = None,
        registry: Mapping[str, Work] | None = None,
        lease: Lease = DUTY_LEASE,
        internal_clock: bool = True,
        **limits: int,
    ) -> None:
        self.recorder = Recorder.free()
        work = work or self.recorder
        names = {"sweep", *(duty.name for duty in duties)}
        self.background = BackgroundWork()
        unit_of_work: Any = SchedulerUnitsOfWork(engine)
        self.executions = DutyExecutions(
            unit_of_work,
            dict.fromkeys(names, work) if registry is None else registry,
            uuid7,
            f"machine:{uuid7()}",
            self.background,
            lease=lease,
            **limits,
        )
        self.recovery = ExecutionRecovery(unit_of_work, SqlLostExecutions(engine), self.executions, uuid7)
        self.firing = DutyFiring(duties, unit_of_work, self.executions, uuid7, internal_clock=internal_clock)
        self.reading = DutyReading(duties, unit_of_work, internal_clock=internal_clock)

    async def look(self) -> list[Fired]:
        """What a clock process does again and again: it takes over what is lost, and fires what is due."""
        await self.recovery.recover()
        return await self.firing.fire_due()

    async def drain(self, within: timedelta = DEADLINE) -> None:
        await self.background.drain(within)


async def dying_machine(engine: AsyncEngine, executions: int = 1) -> tuple[Machine, list[UUID]]:
    """A machine that is believed dead while it is at work, and the executions it holds and will never end."""
    endless = Recorder()
    machine = Machine(engine, work=endless, lease=DEAD)
    ids = [await machine.executions.start_in_background("sweep", **ASKED) for _ in range(executions)]
    # It has written its last, so that whoever looks for the lost finds nothing it has locked.
    await endless.begun(executions)
    return machine, ids


class Books:
    """Reads the tables of one tenant as they are."""

    def __init__(self, engine: AsyncEngine, tenant_id: UUID = DEFAULT_TENANT) -> None:
        self._engine = engine
        self._tenant_id = tenant_id

    async def rows(self, query: str, **values: object) -> list[Any]:
        async with self._engine.connect() as connection:
            await connection.execute(
                text("SELECT set_config('qs.tenant_id', :tenant, true)"), {"tenant": str(self._tenant_id)}
            )
            return list(await connection.execute(text(query), values))

    async def executions(self) -> list[Any]:
        return await self.rows("SELECT * FROM execution ORDER BY id")

    async def slots(self) -> list[Any]:
        return await self.rows("SELECT * FROM slot ORDER BY name, scheduled_at")

    async def execution(self, execution_id: UUID) -> Any:
        (row,) = await self.rows("SELECT * FROM execution WHERE id = :id", id=execution_id)
        return row

    async def ended(self, execution_id: UUID) -> Any:
        """The row once it is in a final state."""

        async def found() -> Any:
            row = await self.execution(execution_id)
            return row if row.status not in ("queued", "running") else None

        return await eventually(found)

    async def audited(self, execution_id: UUID) -> list[str]:
        found = await self.rows("SELECT action FROM audit WHERE object_id = :id ORDER BY id", id=execution_id)
        return [row.action for row in found]
