"""Fires the duties whose slots have come, each slot once however many processes look."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from qs.application.scheduler.executing import DutyExecutions
from qs.application.scheduler.ports import SchedulerUnitOfWorkFactory
from qs.domain.kernel.ids import PLATFORM_TENANT, IdGenerator
from qs.domain.scheduler.duty import Duty
from qs.domain.scheduler.errors import DutyUnbound
from qs.domain.scheduler.execution import Execution, ExecutionStatus, FiredBy

_log = structlog.get_logger()

CLOCK_ACTOR = "clock:internal"


@dataclass(frozen=True, slots=True)
class Fired:
    """A slot this process claimed. ``execution_id`` is None when an older execution still ran and it was skipped."""

    name: str
    scheduled_at: datetime
    execution_id: UUID | None


class DutyFiring:
    """The clock of the duties, to be asked every few seconds by as many processes as there are.

    The database's time says what is due. Of the slots that passed since a duty last fired only the newest is
    fired; it stands for all of them. While an execution that the clock fired is not over, the duty's next slots
    are skipped: the database admits one such execution per duty, so a long sweep never runs beside the next.
    While timed firing is stopped for everybody, nothing is fired.
    """

    def __init__(
        self,
        duties: Sequence[Duty],
        unit_of_work: SchedulerUnitOfWorkFactory,
        executions: DutyExecutions,
        ids: IdGenerator,
        *,
        internal_clock: bool,
    ) -> None:
        """Without ``internal_clock`` no slot is fired.

        Raises:
            DutyUnbound: one of the duties has no work, found here rather than at its first slot.
        """
        for duty in duties:
            if not executions.knows(duty.name):
                raise DutyUnbound(duty.name)
        self._duties = tuple(duties)
        self._unit_of_work = unit_of_work
        self._executions = executions
        self._ids = ids
        self._internal_clock = internal_clock

    async def fire_due(self) -> list[Fired]:
        """Claims what is due and starts its work in the background; returns as soon as the claims are made."""
        if not self._internal_clock:
            return []
        claims = [await self._claim(duty) for duty in await self._due()]
        return [fired for fired in claims if fired is not None]

    async def _due(self) -> list[Duty]:
        # Most ticks find nothing; they cost one short read and no lock.
        async with self._unit_of_work(PLATFORM_TENANT) as uow:
            firing, _ = await uow.switch.firing()
            if not firing:
                return []
            now = await uow.system_now()
            newest = await uow.slots.newest(duty.name for duty in self._duties)
        # Equality, not order: slots fired while the database's clock ran ahead must not stop the ones of now.
        return [duty for duty in self._duties if newest.get(duty.name) != duty.latest_slot(now)]

    async def _claim(self, duty: Duty) -> Fired | None:
        async with self._unit_of_work(PLATFORM_TENANT) as uow:
            await uow.hurry()
            slot = duty.latest_slot(await uow.system_now())
            execution = Execution(
                id=self._ids(),
                tenant_id=PLATFORM_TENANT,
                name=duty.name,
                fired_by=FiredBy.CLOCK,
                actor=CLOCK_ACTOR,
                status=ExecutionStatus.RUNNING,
                detached=True,
                scheduled_at=slot,
                worker=self._executions.worker,
            )
            if not await uow.slots.claim(duty.name, slot, execution.id):
                return None
            admitted = await uow.executions.add(execution, self._executions.lease.length)
            if not admitted:
                await uow.slots.skip(duty.name, slot, await uow.executions.open_clock_execution(duty.name))
            await uow.commit("slot.claim")
        if not admitted:
            _log.info("duty_slot_skipped", duty=duty.name, scheduled_at=slot.isoformat())
            return Fired(duty.name, slot, None)
        self._executions.carry_on(execution)
        return Fired(duty.name, slot, execution.id)
