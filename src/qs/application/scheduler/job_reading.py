"""Shows jobs, their executions, what these wrote, and what triggers would do."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from qs.application.scheduler.compiling import JobCompiling
from qs.application.scheduler.job_firing import calendars_of
from qs.application.scheduler.job_ports import JobFilter, JobUnitOfWork, JobUnitOfWorkFactory, RunFilter
from qs.domain.kernel.errors import Invalid
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.domain.scheduler.calendars import Calendar
from qs.domain.scheduler.errors import CalendarAbsent, ExecutionAbsent, JobAbsent
from qs.domain.scheduler.job import Job, JobStatus
from qs.domain.scheduler.job_execution import JobExecution, RunStatus
from qs.domain.scheduler.triggers import Occurrence, Trigger, TriggerSpec, preview, read_trigger, words

# Any id will do where nothing is stored: only `H` depends on it.
_PREVIEWED = UUID(int=0)

Stopped = Literal["tenant", "installation"]


@dataclass(frozen=True, slots=True)
class JobState:
    """A job, in words, and its newest execution."""

    job: Job
    words: str | None
    last: JobExecution | None


@dataclass(frozen=True, slots=True)
class Previewed:
    words: str
    occurrences: Sequence[Occurrence]
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class OutputPiece:
    """``offset`` is that of its first byte in the whole output of the execution."""

    offset: int
    attempt: int
    stream: str
    data: bytes


class JobReading:
    """What operators and clients may see of the jobs of their tenant. Instants are system time."""

    def __init__(
        self, unit_of_work: JobUnitOfWorkFactory, compiling: JobCompiling, default_timezone: str
    ) -> None:
        self._unit_of_work = unit_of_work
        self._compiling = compiling
        self._default_timezone = default_timezone

    async def jobs(
        self, tenant_id: UUID, where: JobFilter, *, offset: int, size: int, language: str = "en"
    ) -> tuple[Sequence[JobState], int]:
        """A page of jobs by name, and how many there are in all."""
        async with self._unit_of_work(tenant_id) as uow:
            jobs = await uow.jobs.list(where, offset=offset, size=size)
            return await self._states(uow, jobs, language), await uow.jobs.count(where)

    async def page(
        self, tenant_id: UUID, where: JobFilter, *, size: int, language: str = "en"
    ) -> Sequence[JobState]:
        """The first jobs by name that fit; ``where.after`` leads from page to page."""
        async with self._unit_of_work(tenant_id) as uow:
            return await self._states(uow, await uow.jobs.list(where, offset=0, size=size), language)

    async def definitions(
        self, tenant_id: UUID, where: JobFilter, *, size: int, offset: int = 0
    ) -> Sequence[Job]:
        """Jobs by name, without what became of them."""
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.jobs.list(where, offset=offset, size=size)

    async def job(self, tenant_id: UUID, job_id: UUID, *, language: str = "en") -> JobState:
        """Raises JobAbsent."""
        async with self._unit_of_work(tenant_id) as uow:
            job = await uow.jobs.get(job_id)
            if job is None:
                raise JobAbsent
            return (await self._states(uow, [job], language))[0]

    async def named(self, tenant_id: UUID, name: str) -> Job:
        """Raises JobAbsent."""
        async with self._unit_of_work(tenant_id) as uow:
            job = await uow.jobs.by_name(name)
        if job is None:
            raise JobAbsent
        return job

    async def total(self, tenant_id: UUID) -> Mapping[str, int]:
        """How many jobs there are: ``total``, ``enabled``, and by status."""
        async with self._unit_of_work(tenant_id) as uow:
            counted = await uow.jobs.counts()
        by_status = {
            status.value: sum(number for (each, _), number in counted.items() if each == status)
            for status in JobStatus
        }
        enabled = sum(number for (_, is_enabled), number in counted.items() if is_enabled)
        return {"total": sum(counted.values()), "enabled": enabled, **by_status}

    async def recent(
        self, tenant_id: UUID, job_ids: Sequence[UUID], size: int
    ) -> Mapping[UUID, Sequence[tuple[UUID, RunStatus]]]:
        """How the newest executions of each job went, the oldest first; jobs that never ran are left out."""
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.runs.recent(job_ids, size)

    async def now(self, tenant_id: UUID) -> datetime:
        """The time that jobs are created at, which is the database's."""
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.system_now()

    async def upcoming(self, tenant_id: UUID, job_id: UUID, count: int) -> Sequence[Occurrence]:
        """The next slots of a job, from its next one on. Raises JobAbsent, Invalid."""
        async with self._unit_of_work(tenant_id) as uow:
            job = await uow.jobs.get(job_id)
            if job is None:
                raise JobAbsent
            trigger = self._compiling.compile(job, await calendars_of(uow)).trigger
            after = await uow.system_now()
        if job.next_slot is not None:
            after = min(after, job.next_slot - job.next_slot.resolution)
        return preview(trigger, after, count)

    async def preview(
        self, tenant_id: UUID, spec: TriggerSpec, *, after: datetime | None, count: int, language: str = "en"
    ) -> Previewed:
        """What a trigger would do, without keeping it. Raises Invalid with all that is wrong with it."""
        async with self._unit_of_work(tenant_id) as uow:
            calendar, _ = (await calendars_of(uow)).of(spec.calendar)
            now = await uow.system_now()
        trigger = read_trigger(
            spec, job_id=_PREVIEWED, default_timezone=self._default_timezone, calendar=calendar, anchor=now
        )
        return Previewed(_words(trigger, language), preview(trigger, after or now, count), trigger.warnings)

    async def executions(
        self, tenant_id: UUID, where: RunFilter, *, before: UUID | None, size: int
    ) -> Sequence[JobExecution]:
        """Newest first, those older than ``before``."""
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.runs.list(where, before=before, size=size)

    async def execution(
        self, tenant_id: UUID, execution_id: UUID
    ) -> tuple[JobExecution, Sequence[Mapping[str, Any]]]:
        """An execution with its attempts. Raises ExecutionAbsent."""
        async with self._unit_of_work(tenant_id) as uow:
            found = await uow.runs.get(execution_id)
            if found is None:
                raise ExecutionAbsent
            return found.execution, await uow.runs.attempts(execution_id)

    async def output(
        self, tenant_id: UUID, execution_id: UUID, *, offset: int, most: int
    ) -> tuple[Sequence[OutputPiece], bool]:
        """What was written from ``offset`` on, up to about ``most`` bytes, and whether the execution is over.

        Raises:
            ExecutionAbsent
        """
        async with self._unit_of_work(tenant_id) as uow:
            # Asked first: what is over writes nothing after this.
            found = await uow.runs.get(execution_id)
            if found is None:
                raise ExecutionAbsent
            pieces = await uow.runs.output(execution_id, offset, most)
        cut = [
            OutputPiece(max(position, offset), attempt, stream, data[max(offset - position, 0) :])
            for position, attempt, stream, data in pieces
        ]
        return cut, found.execution.status.is_terminal

    async def calendars(self, tenant_id: UUID) -> Sequence[tuple[Calendar, int]]:
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.calendars.list()

    async def calendar(self, tenant_id: UUID, name: str) -> tuple[Calendar, int]:
        """With its version. Raises CalendarAbsent."""
        async with self._unit_of_work(tenant_id) as uow:
            found = await uow.calendars.get(name)
        if found is None:
            raise CalendarAbsent
        return found

    async def firing(self, tenant_id: UUID) -> bool:
        """Whether timed firing is on for the tenant: its own switch and the platform's."""
        return await self.stopped(tenant_id) is None

    async def stopped(self, tenant_id: UUID) -> Stopped | None:
        """Whose switch keeps time from firing the tenant's jobs; that of the installation is told first."""
        switches: list[tuple[UUID, Stopped]] = [(PLATFORM_TENANT, "installation"), (tenant_id, "tenant")]
        for tenant, whose in switches:
            async with self._unit_of_work(tenant) as uow:
                if not (await uow.switch.firing())[0]:
                    return whose
        return None

    async def _states(self, uow: JobUnitOfWork, jobs: Sequence[Job], language: str) -> list[JobState]:
        latest = await uow.runs.latest([job.id for job in jobs])
        calendars = await calendars_of(uow)
        found = []
        for job in jobs:
            told = None
            # Of one that cannot be compiled its config error says what is wrong.
            with suppress(Invalid):
                told = _words(self._compiling.compile(job, calendars).trigger, language)
            found.append(JobState(job, told, latest.get(job.id)))
        return found


def _words(trigger: Trigger, language: str) -> str:
    return words(trigger, "zh" if language.startswith("zh") else "en")
