"""What people and clients ask of jobs and executions: run now, cancel, run again, fill in a range, report an outcome."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from qs.application.kernel.request import request_id
from qs.application.scheduler.chains import Start, starts_of_chains
from qs.application.scheduler.compiling import JobCompiling
from qs.application.scheduler.job_ending import JobEnding
from qs.application.scheduler.job_firing import calendars_of, new_run, occupancy_of
from qs.application.scheduler.job_ports import (
    AttemptWrite,
    ClaimedRun,
    JobUnitOfWork,
    JobUnitOfWorkFactory,
    Wake,
)
from qs.application.scheduler.request_ports import JobRequest
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.kernel.ids import IdGenerator
from qs.domain.scheduler.errors import (
    ExecutionAbsent,
    ExecutionNotAwaited,
    ExecutionNotOver,
    ExecutionOver,
    JobAbsent,
    JobBroken,
    JobBusy,
    JobDisabled,
    RequestInHand,
    RequestKeyTaken,
)
from qs.domain.scheduler.job import Job, JobStatus
from qs.domain.scheduler.job_execution import AttemptEnd, JobExecution, RunFiredBy, RunStatus
from qs.domain.scheduler.overlapping import Admission

MOST_BACKFILLED = 1000


@dataclass(frozen=True, slots=True)
class Backfilled:
    """The slots of a range, of which those in ``execution_ids`` are run; a dry run has none."""

    slots: Sequence[datetime]
    execution_ids: Sequence[UUID]


class JobOperating:
    """Runs of jobs that no clock fires; none of them consumes a slot or moves a job's clock."""

    def __init__(
        self,
        unit_of_work: JobUnitOfWorkFactory,
        compiling: JobCompiling,
        ending: JobEnding,
        ids: IdGenerator,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._compiling = compiling
        self._ending = ending
        self._ids = ids

    async def starts_of(self, tenant_id: UUID, job_id: UUID) -> Sequence[Start]:
        """What runs when this job is run: itself, and the jobs that its chain leads to. Raises JobAbsent."""
        async with self._unit_of_work(tenant_id) as uow:
            return await self._starts(uow, job_id)

    async def starts_of_retry(self, tenant_id: UUID, execution_id: UUID) -> Sequence[Start]:
        """What runs when this execution is run again. Raises ExecutionAbsent, JobAbsent."""
        async with self._unit_of_work(tenant_id) as uow:
            found = await uow.runs.get(execution_id)
            if found is None:
                raise ExecutionAbsent
            return await self._starts(uow, found.execution.job_id)

    async def _starts(self, uow: JobUnitOfWork, job_id: UUID) -> Sequence[Start]:
        job = await uow.jobs.get(job_id)
        if job is None:
            raise JobAbsent
        itself = Start(job.name, self._compiling.scopes_of(job.definition))
        return [itself, *await starts_of_chains(uow, self._compiling, [job.definition])]

    async def run(
        self,
        tenant_id: UUID,
        job_id: UUID,
        *,
        actor: str,
        payload: Mapping[str, Any] | None = None,
        force: bool = False,
        idempotency_key: str | None = None,
        fired_by: RunFiredBy = RunFiredBy.MANUAL,
    ) -> JobExecution:
        """The execution that now waits for a worker; the same one again for the same ``idempotency_key``.

        Raises:
            JobAbsent, JobBroken: it is not there, or cannot be carried out as it is written.
            JobBusy: it is active and must not run beside itself, or no more may wait; ``force`` runs it all the same.
        """
        async with self._unit_of_work(tenant_id) as uow:
            job = await self._locked(uow, job_id)
            if idempotency_key is not None:
                known = await uow.runs.by_key(job.id, idempotency_key)
                if known is not None:
                    return known
            self._compiling.compile(job, await calendars_of(uow))
            execution = await self._admitted(
                uow, job, actor, fired_by, payload, force=force, idempotency_key=idempotency_key
            )
            await uow.audit.add(
                "job.run", "job", job.id, actor=actor, detail={"execution": str(execution.id), "force": force}
            )
            await uow.wake(Wake.RUNS)
            await uow.commit("job.run")
        return execution

    async def run_requested(self, tenant_id: UUID, request: JobRequest, *, actor: str) -> UUID:
        """The id of the one execution of this key, which a message may ask for again and again.

        Raises:
            JobAbsent, JobDisabled, JobBroken, JobBusy: as it stands now the job is not run.
            RequestKeyTaken: the key belongs to a request with other content.
        """
        async with self._unit_of_work(tenant_id) as uow:
            earlier = await _earlier(uow, request)
            if earlier is not None:
                return earlier
            job = await self._locked(uow, request.job_id)
            # Whoever held the job until now may have done it.
            earlier = await _earlier(uow, request)
            if earlier is not None:
                return earlier
            if not job.definition.enabled:
                raise JobDisabled(job.name)
            self._compiling.compile(job, await calendars_of(uow))
            execution = await self._admitted(
                uow, job, actor, RunFiredBy.MESSAGE, request.payload, idempotency_key=request.key
            )
            if not await uow.requests.add(request, execution.id):
                # The key was used for another job meanwhile; that is found when this message comes again.
                raise RequestInHand
            await uow.audit.add(
                "job.run", "job", job.id, actor=actor, detail={"execution": str(execution.id), "force": False}
            )
            await uow.wake(Wake.RUNS)
            await uow.commit("job.run_requested")
        return execution.id

    async def retry(self, tenant_id: UUID, execution_id: UUID, *, actor: str) -> JobExecution:
        """A new execution with the same payload, for one that is over.

        Raises:
            ExecutionAbsent, ExecutionNotOver, JobAbsent, JobBroken, JobBusy
        """
        async with self._unit_of_work(tenant_id) as uow:
            found = await uow.runs.get(execution_id)
            if found is None:
                raise ExecutionAbsent
            if found.execution.status.is_active:
                raise ExecutionNotOver(execution_id, found.execution.status)
            job = await self._locked(uow, found.execution.job_id)
            execution = await self._admitted(
                uow, job, actor, RunFiredBy.RETRY, found.execution.payload, parent_id=execution_id
            )
            await uow.audit.add(
                "execution.retry",
                "execution",
                execution_id,
                actor=actor,
                detail={"execution": str(execution.id)},
            )
            await uow.wake(Wake.RUNS)
            await uow.commit("execution.retry")
        return execution

    async def cancel(self, tenant_id: UUID, execution_id: UUID, *, actor: str) -> JobExecution:
        """The execution, canceled if it had not begun; else its worker has been asked to stop it.

        Raises:
            ExecutionAbsent, ExecutionOver
        """
        async with self._unit_of_work(tenant_id) as uow:
            found = await self._held(uow, execution_id)
            if found.execution.status.is_terminal:
                raise ExecutionOver(execution_id, found.execution.status)
            status = (await uow.runs.stop([execution_id], RunStatus.CANCELED))[execution_id]
            execution = replace(found.execution, status=status, cancel_requested=RunStatus.CANCELED)
            if status.is_terminal:
                await self._ending.follow(uow, [replace(found, execution=execution)])
            await uow.audit.add("execution.cancel", "execution", execution_id, actor=actor)
            await uow.wake(Wake.STOPS)
            await uow.commit("execution.cancel")
        return execution

    async def report(
        self,
        tenant_id: UUID,
        execution_id: UUID,
        *,
        actor: str,
        succeeded: bool,
        error: str | None = None,
        result: Mapping[str, Any] | None = None,
    ) -> RunStatus:
        """Ends an execution whose target answers later; where it stands now.

        Raises:
            ExecutionAbsent, ExecutionOver
            ExecutionNotAwaited: a worker is at it, and will tell by itself how it ended.
        """
        async with self._unit_of_work(tenant_id) as uow:
            found = await self._held(uow, execution_id)
            execution = found.execution
            if execution.status.is_terminal:
                raise ExecutionOver(execution_id, execution.status)
            if not execution.awaited:
                raise ExecutionNotAwaited(execution_id)
            end = AttemptEnd.SUCCEEDED if succeeded else AttemptEnd.FAILED
            status = RunStatus.SUCCEEDED if succeeded else RunStatus.FAILED
            write = AttemptWrite(
                execution_id=execution.id,
                epoch=execution.epoch,
                number=execution.attempt,
                end=end,
                status=status,
                code=None if succeeded else "reported",
                error=error,
                result=result,
            )
            await self._ending.write(uow, [(found, write)])
            await uow.audit.add(
                "execution.report", "execution", execution_id, actor=actor, detail={"status": status}
            )
            await uow.commit("execution.report")
        return status

    async def backfill(
        self,
        tenant_id: UUID,
        job_id: UUID,
        *,
        actor: str,
        start: datetime,
        end: datetime,
        dry_run: bool,
    ) -> Backfilled:
        """The job's slots from ``start`` up to but without ``end``; each is run, one after the other, unless it is dry.

        Raises:
            JobAbsent, JobBroken
            Invalid: the range is empty, reaches into the future or holds more than 1,000 slots.
        """
        async with self._unit_of_work(tenant_id) as uow:
            job = await self._locked(uow, job_id)
            now = await uow.system_now()
            slots = self._slots(job, start, end, now, await calendars_of(uow))
            if dry_run:
                return Backfilled(slots, ())
            active = (await uow.runs.active([job.id])).get(job.id, ())
            occupancy = occupancy_of(job, active)
            runs = []
            for slot in slots:
                execution_id = self._ids()
                admitted = occupancy.admit(execution_id, in_turn=True)
                runs.append(
                    new_run(
                        job,
                        execution_id,
                        now,
                        fired_by=RunFiredBy.BACKFILL,
                        actor=actor,
                        scheduled_at=slot,
                        available_at=now if admitted.admission is Admission.RUN else None,
                        request_id=request_id.get(),
                    )
                )
            await uow.runs.add([(run, job.definition) for run in runs])
            await uow.audit.add(
                "job.backfill",
                "job",
                job.id,
                actor=actor,
                detail={"from": start.isoformat(), "to": end.isoformat(), "slots": len(slots)},
            )
            await uow.wake(Wake.RUNS)
            await uow.commit("job.backfill")
        return Backfilled(slots, [run.id for run in runs])

    def _slots(
        self, job: Job, start: datetime, end: datetime, now: datetime, calendars: Any
    ) -> Sequence[datetime]:
        if start >= end:
            raise Invalid([Problem("/to", "must be later than from")])
        if end > now:
            raise Invalid([Problem("/to", "must not lie in the future")])
        trigger = self._compiling.compile(job, calendars).trigger
        if trigger.depends_on_end:
            raise Invalid(
                [Problem("/from", "the slots of a fixed_delay job follow its executions; run it instead")]
            )
        slots: list[datetime] = []
        slot = trigger.next_after(start - start.resolution)
        while slot is not None and slot < end:
            slots.append(slot)
            if len(slots) > MOST_BACKFILLED:
                raise Invalid(
                    [Problem("/to", f"must leave at most {MOST_BACKFILLED} slots; fill in a part at a time")]
                )
            slot = trigger.next_after(slot)
        return slots

    async def _held(self, uow: JobUnitOfWork, execution_id: UUID) -> ClaimedRun:
        """The execution, locked after the jobs that its end may concern."""
        await self._ending.hold(uow, await uow.runs.find([execution_id]))
        found = await uow.runs.get(execution_id, lock=True)
        if found is None:
            raise ExecutionAbsent
        return found

    async def _locked(self, uow: JobUnitOfWork, job_id: UUID) -> Job:
        job = await uow.jobs.get(job_id, lock=True)
        if job is None:
            raise JobAbsent
        if job.status is JobStatus.CONFIG_ERROR:
            raise JobBroken(job.name, job.error.detail if job.error else "")
        return job

    async def _admitted(
        self,
        uow: JobUnitOfWork,
        job: Job,
        actor: str,
        fired_by: RunFiredBy,
        payload: Mapping[str, Any] | None,
        *,
        force: bool = False,
        idempotency_key: str | None = None,
        parent_id: UUID | None = None,
    ) -> JobExecution:
        now = await uow.system_now()
        execution_id = self._ids()
        admitted = occupancy_of(job, (await uow.runs.active([job.id])).get(job.id, ())).admit(execution_id)
        if admitted.admission is Admission.SKIP and not force:
            assert admitted.blocked_by is not None
            raise JobBusy(job.name, admitted.blocked_by)
        waits = admitted.admission is Admission.WAIT and not force
        execution = new_run(
            job,
            execution_id,
            now,
            fired_by=fired_by,
            actor=actor,
            payload=payload,
            available_at=None if waits else now,
            blocked_by=admitted.blocked_by if waits else None,
            parent_id=parent_id,
            idempotency_key=idempotency_key,
            request_id=request_id.get(),
        )
        await uow.runs.add([(execution, job.definition)])
        if admitted.replaces and not force:
            await uow.runs.stop(admitted.replaces, RunStatus.REPLACED)
            await uow.runs.release([job.id])
            await uow.wake(Wake.STOPS)
        return execution


async def _earlier(uow: JobUnitOfWork, request: JobRequest) -> UUID | None:
    known = await uow.requests.find(request.key)
    if known is None:
        return None
    if known.digest != request.digest:
        raise RequestKeyTaken
    return known.execution_id
