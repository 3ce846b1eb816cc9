"""Shows the duties and their executions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from qs.application.scheduler.ports import ExecutionFilter, SchedulerUnitOfWorkFactory
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.domain.scheduler.duty import Duty
from qs.domain.scheduler.errors import ExecutionAbsent
from qs.domain.scheduler.execution import Execution


@dataclass(frozen=True, slots=True)
class DutyState:
    """A duty, its next slot (None while the internal clock is off), and the newest execution that served the tenant."""

    duty: Duty
    next_run: datetime | None
    last: Execution | None


class DutyReading:
    """What operators and the callers of duties may see. Instants are system time."""

    def __init__(
        self, duties: Sequence[Duty], unit_of_work: SchedulerUnitOfWorkFactory, *, internal_clock: bool
    ) -> None:
        self._duties = tuple(duties)
        self._unit_of_work = unit_of_work
        self._internal_clock = internal_clock

    @property
    def duties(self) -> Sequence[Duty]:
        """All of them, in their standing order."""
        return self._duties

    async def jobs(self, tenant_id: UUID) -> list[DutyState]:
        """Every duty in its standing order; what ran for the whole platform ran for this tenant too."""
        names = [duty.name for duty in self._duties]
        async with self._unit_of_work(PLATFORM_TENANT) as uow:
            now = await uow.system_now()
            newest = dict(await uow.executions.latest(names))
        if tenant_id != PLATFORM_TENANT:
            async with self._unit_of_work(tenant_id) as uow:
                for name, own in (await uow.executions.latest(names)).items():
                    # Both ids are UUIDv7, so the greater one is the later one.
                    if name not in newest or own.id > newest[name].id:
                        newest[name] = own
        return [
            DutyState(duty, duty.next_slot(now) if self._internal_clock else None, newest.get(duty.name))
            for duty in self._duties
        ]

    async def executions(
        self, tenant_id: UUID, where: ExecutionFilter, *, before: UUID | None, size: int
    ) -> Sequence[Execution]:
        """The tenant's executions, newest first, those older than ``before``."""
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.executions.list(where, before=before, size=size)

    async def execution(
        self, tenant_id: UUID, execution_id: UUID, *, started_by: str | None = None
    ) -> Execution:
        """One execution of the tenant, of that starter only where one is given.

        Raises:
            ExecutionAbsent: there is none, or it is another tenant's or another starter's.
        """
        async with self._unit_of_work(tenant_id) as uow:
            execution = await uow.executions.get(execution_id)
        if execution is None or started_by not in (None, execution.actor):
            raise ExecutionAbsent
        return execution
