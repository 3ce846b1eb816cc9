"""The executions of the duties and those of the jobs as one history, newest first."""

from dataclasses import dataclass
from uuid import UUID

from qs.application.scheduler.job_ports import RunFilter
from qs.application.scheduler.job_reading import JobReading
from qs.application.scheduler.ports import ExecutionFilter
from qs.application.scheduler.reading import DutyReading
from qs.domain.identity.principal import Principal
from qs.domain.scheduler.errors import JobAbsent
from qs.domain.scheduler.execution import ExecutionStatus
from qs.domain.scheduler.job_execution import RunStatus
from qs.interface.rest.paging import Slice, read_cursor, write_cursor
from qs.interface.rest.scheduler.duties import duty_of
from qs.interface.rest.scheduler.execution_dto import ExecutionItem, Status, duty_item, run_item, seen_by

_DUTY_STATUSES = frozenset(status.value for status in ExecutionStatus)
_RUN_STATUSES = frozenset(status.value for status in RunStatus)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which executions; what is None does not matter."""

    job_id: UUID | None = None
    name: str | None = None
    status: Status | None = None


class Histories:
    """Reads both histories. The ids of both are UUIDv7, so that the greater one is the later one, whichever it is of."""

    def __init__(self, duties: DutyReading, jobs: JobReading, caller: Principal) -> None:
        """``caller`` is whom they are shown to."""
        self._caller = caller
        self._duties = duties
        self._jobs = jobs
        self._ids = {duty.name: duty.id for duty in duties.duties}

    async def slice(
        self, tenant_id: UUID, wanted: Wanted, cursor: str | None, size: int
    ) -> Slice[ExecutionItem]:
        """One piece of the history. Raises CursorInvalid."""
        position = read_cursor("executions", cursor, UUID)
        found = await self.newest(tenant_id, wanted, position[0] if position else None, size + 1)
        items = found[:size]
        return Slice(items, write_cursor("executions", items[-1].id) if len(found) > size else None)

    async def newest(
        self, tenant_id: UUID, wanted: Wanted, before: UUID | None, size: int
    ) -> list[ExecutionItem]:
        found = await self._of_duties(tenant_id, wanted, before, size)
        found += await self._of_jobs(tenant_id, wanted, before, size)
        newest = sorted(found, key=lambda item: item.id, reverse=True)[:size]
        return [seen_by(self._caller, item) for item in newest]

    async def _of_duties(
        self, tenant_id: UUID, wanted: Wanted, before: UUID | None, size: int
    ) -> list[ExecutionItem]:
        name = wanted.name
        if wanted.job_id is not None:
            duty = duty_of(self._duties, wanted.job_id)
            if duty is None or name not in (None, duty.name):
                return []
            name = duty.name
        if wanted.status is not None and wanted.status.value not in _DUTY_STATUSES:
            return []
        status = None if wanted.status is None else ExecutionStatus(wanted.status.value)
        where = ExecutionFilter(name, status)
        executions = await self._duties.executions(tenant_id, where, before=before, size=size)
        return [duty_item(execution, self._ids.get(execution.name)) for execution in executions]

    async def _of_jobs(
        self, tenant_id: UUID, wanted: Wanted, before: UUID | None, size: int
    ) -> list[ExecutionItem]:
        job_id = wanted.job_id
        if wanted.name is not None:
            try:
                named = (await self._jobs.named(tenant_id, wanted.name)).id
            except JobAbsent:
                return []
            if job_id not in (None, named):
                return []
            job_id = named
        if wanted.status is not None and wanted.status.value not in _RUN_STATUSES:
            return []
        status = None if wanted.status is None else RunStatus(wanted.status.value)
        where = RunFilter(job_id, status)
        executions = await self._jobs.executions(tenant_id, where, before=before, size=size)
        return [run_item(execution) for execution in executions]
