"""Fires the jobs whose slots have come, each slot once however many processes look."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from qs.application.scheduler.compiling import Calendars, CompiledJob, JobCompiling, config_error
from qs.application.scheduler.job_ports import (
    AcrossTenants,
    ActiveRun,
    Advance,
    Due,
    JobUnitOfWork,
    JobUnitOfWorkFactory,
    SlotClaim,
    Wake,
)
from qs.application.scheduler.metering import Meter, NullMeter
from qs.application.scheduler.notice_writing import NoticeWriting
from qs.domain.kernel.errors import Invalid
from qs.domain.kernel.ids import IdGenerator
from qs.domain.scheduler.job import Job, JobDefinition, JobStatus
from qs.domain.scheduler.job_execution import JobExecution, RunFiredBy, RunStatus
from qs.domain.scheduler.misfiring import Reckoning, reckon
from qs.domain.scheduler.overlapping import Admission, Occupancy
from qs.domain.scheduler.policies import MisfirePolicy

_log = structlog.get_logger()

CLOCK_ACTOR = "clock:jobs"
_FIRST, _GROWTH = 64, 4
# Each has a transaction that is open until its slot.
_TENANTS_AHEAD = 4
# What whoever stops the clock may be late by.
_LAST_LOOK = timedelta(milliseconds=10)


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look found: how many slots were dealt with, whether more are due, and when the next job will be."""

    dealt_with: int
    more: bool
    due: Due


@dataclass(slots=True)
class _Batch:
    """All that one transaction writes."""

    slots: list[SlotClaim] = field(default_factory=list)
    runs: list[tuple[JobExecution, JobDefinition]] = field(default_factory=list)
    moves: list[Advance] = field(default_factory=list)
    broken: list[Job] = field(default_factory=list)
    replaced: list[UUID] = field(default_factory=list)


class JobFiring:
    """The clock of the jobs, to be asked again and again by as many processes as there are.

    1. The database's time says what is due; due jobs are locked, those that another process has are left to it.
    2. The slot row, the execution row and the job's next slot are one transaction. A slot whose row exists is fired
       already, whatever a node believes.
    3. What nobody claimed in time is dealt with as the job's misfire policy says, and always leaves a row.
    """

    def __init__(
        self,
        unit_of_work: JobUnitOfWorkFactory,
        across: AcrossTenants,
        compiling: JobCompiling,
        ids: IdGenerator,
        notices: NoticeWriting | None = None,
        meter: Meter | None = None,
        *,
        batch: int = 1000,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._across = across
        self._compiling = compiling
        self._ids = ids
        self._notices = notices or NoticeWriting(ids)
        self._meter = meter or NullMeter()
        self._batch = batch
        self._size = min(_FIRST, batch)
        self._turn = 0

    async def fire_due(self) -> Looked:
        """Claims what is due, for each tenant in turn up to its share of a batch, which grows while there is more."""
        due = await self._across.due()
        if not due.tenants:
            return Looked(0, False, due)
        # A tenant with a hundred thousand due jobs takes its turn like one with ten.
        self._turn += 1
        first = self._turn % len(due.tenants)
        share = max(1, self._size // len(due.tenants))
        done = [await self._fire(tenant, share) for tenant in (*due.tenants[first:], *due.tenants[:first])]
        more = any(count >= share for count in done)
        # Of many jobs that are due at one instant the first begin while the others are still being written.
        self._size = min(self._size * _GROWTH if more else _FIRST, self._batch)
        return Looked(sum(done), more, due)

    async def fire_at(self, at: datetime) -> int:
        """Writes what becomes due at ``at``, a moment from now, and commits it then; how many slots that were.

        Only what cannot turn out otherwise until then: jobs of which nothing is active. Whoever would change one of
        them meanwhile waits until it has fired, as if he had come after its slot.
        """
        tenants = await self._across.due_at(at, _TENANTS_AHEAD)
        written: list[tuple[JobUnitOfWork, _Batch]] = []
        async with AsyncExitStack() as stack:
            for tenant_id in tenants:
                uow = await stack.enter_async_context(self._unit_of_work(tenant_id))
                await uow.hurry()
                if jobs := await uow.jobs.due_at(at, max(1, self._batch // len(tenants))):
                    written.append((uow, await self._write(uow, jobs, at)))
            if not written:
                return 0
            await written[0][0].wait_until(at - _LAST_LOOK)
            if await written[0][0].switch.stopped_everywhere():
                return 0
            # Of more than one batch the rest is fired by large ones.
            self._size = self._batch
            fired = 0
            for uow, batch in written:
                if (await uow.switch.firing())[0]:
                    await uow.wait_until(at)
                    await uow.commit("job.fire_at")
                    self._tell(batch)
                    fired += len(batch.slots)
        return fired

    async def _fire(self, tenant_id: UUID, limit: int) -> int:
        async with self._unit_of_work(tenant_id) as uow:
            await uow.hurry()
            jobs = await uow.jobs.due(limit)
            if not jobs:
                return 0
            batch = await self._write(uow, jobs, await uow.system_now())
            await uow.commit("job.fire")
        self._tell(batch)
        return len(jobs)

    async def _write(self, uow: JobUnitOfWork, jobs: Sequence[Job], now: datetime) -> _Batch:
        """All that becomes of the locked jobs at ``now`` but the commit."""
        batch = await self._plan(uow, jobs, now)
        free = await uow.slots.claim(batch.slots)
        taken = {slot.execution_id for slot in batch.slots} - free
        batch.runs = runs = [run for run in batch.runs if run[0].id not in taken]
        await uow.runs.add(runs)
        if batch.replaced:
            await uow.runs.stop(batch.replaced, RunStatus.REPLACED)
            # Those that had not begun are gone by now, and with them what the new one waits for.
            await uow.runs.release({run.job_id for run, _ in runs if run.available_at is None})
        await uow.jobs.advance(batch.moves)
        for job in batch.broken:
            await uow.jobs.save(job)
        await self._notices.missed(uow, [run for run in runs if run[0].status is RunStatus.MISSED])
        wakes = [Wake.STOPS] if batch.replaced else []
        if any(run.status is RunStatus.QUEUED for run, _ in runs):
            wakes.append(Wake.RUNS)
        await uow.wake(*wakes)
        return batch

    async def _plan(self, uow: JobUnitOfWork, jobs: Sequence[Job], now: datetime) -> _Batch:
        _, since = await uow.switch.firing()
        calendars = await _calendars(uow, jobs)
        active = await uow.runs.active(job.id for job in jobs)
        batch = _Batch()
        for job in jobs:
            try:
                compiled = self._compiling.compile(job, calendars)
            except Invalid as error:
                batch.broken.append(broken(job, error))
                continue
            self._plan_job(batch, job, compiled, active.get(job.id, ()), now, since)
        return batch

    def _plan_job(
        self,
        batch: _Batch,
        job: Job,
        compiled: CompiledJob,
        active: Sequence[ActiveRun],
        now: datetime,
        since: datetime | None,
    ) -> None:
        first = job.next_slot
        assert first is not None, "a due job has a next slot"
        if since is not None and first < since:
            # While the clock was stopped nothing was due, so nothing was missed.
            after = compiled.trigger.next_after(since)
            if after is None or after > now:
                batch.moves.append(_advanced(job, compiled, after, 0))
                return
            first = after
        if compiled.trigger.depends_on_end:
            # There is one slot at a time, and however late it is, the next one depends on its execution.
            reckoned = Reckoning((first,), (), None)
        else:
            reckoned = reckon(compiled.trigger, first, now, compiled.misfire)
        fire = list(reckoned.fire)
        most = job.definition.trigger.max_runs
        if most is not None:
            fire = fire[: max(0, most - job.runs)]
        for slot in reckoned.missed:
            self._add(batch, job, slot, now, RunStatus.MISSED, error="no clock was there in time")
        if reckoned.missed_more:
            told = f"{'more than ' if reckoned.at_least else ''}{reckoned.missed_more} slots were missed in a row"
            self._add(
                batch,
                job,
                reckoned.missed_until,
                now,
                RunStatus.MISSED,
                error=told,
                stands_for=reckoned.missed_more,
            )
        occupancy = occupancy_of(job, active)
        for slot in fire:
            late = now - slot > compiled.misfire.grace
            in_turn = late and compiled.misfire.policy is MisfirePolicy.FIRE_ALL
            self._admit(batch, job, slot, now, occupancy, in_turn=in_turn)
        if most is not None and job.runs + len(fire) >= most:
            batch.moves.append(Advance(job.id, JobStatus.FINISHED, None, None, len(fire)))
        elif compiled.trigger.depends_on_end:
            # Its next slot is known when this execution has ended.
            batch.moves.append(Advance(job.id, JobStatus.ACTIVE, None, None, len(fire)))
        else:
            batch.moves.append(_advanced(job, compiled, reckoned.next_slot, len(fire)))

    def _admit(
        self, batch: _Batch, job: Job, slot: datetime, now: datetime, occupancy: Occupancy, *, in_turn: bool
    ) -> None:
        execution_id = self._ids()
        admitted = occupancy.admit(execution_id, in_turn=in_turn)
        batch.replaced += admitted.replaces
        if admitted.admission is Admission.SKIP:
            self._add(
                batch,
                job,
                slot,
                now,
                RunStatus.SKIPPED,
                execution_id=execution_id,
                blocked_by=admitted.blocked_by,
                error="another execution of the job was active",
            )
            return
        self._add(
            batch,
            job,
            slot,
            now,
            RunStatus.QUEUED,
            execution_id=execution_id,
            available_at=now if admitted.admission is Admission.RUN else None,
            blocked_by=admitted.blocked_by,
        )

    def _add(
        self,
        batch: _Batch,
        job: Job,
        slot: datetime | None,
        now: datetime,
        status: RunStatus,
        *,
        execution_id: UUID | None = None,
        available_at: datetime | None = None,
        blocked_by: UUID | None = None,
        stands_for: int = 1,
        error: str | None = None,
    ) -> None:
        assert slot is not None
        execution = new_run(
            job,
            execution_id or self._ids(),
            now,
            fired_by=RunFiredBy.CLOCK,
            actor=CLOCK_ACTOR,
            status=status,
            scheduled_at=slot,
            available_at=available_at,
            blocked_by=blocked_by,
            stands_for=stands_for,
            error=error,
        )
        batch.slots.append(SlotClaim(job.id, slot, execution.id))
        batch.runs.append((execution, job.definition))

    def _tell(self, batch: _Batch) -> None:
        for run, definition in batch.runs:
            if run.status is not RunStatus.QUEUED:
                self._meter.ended(definition.target.kind, run.status, run.stands_for)
                _log.info(
                    "job_slot_passed",
                    status=run.status.value,
                    job_id=str(run.job_id),
                    scheduled_at=run.scheduled_at.isoformat() if run.scheduled_at else None,
                    stands_for=run.stands_for,
                )
        for job in batch.broken:
            _log.warning("job_config_error", job_id=str(job.id), field=job.error.field if job.error else None)


def new_run(
    job: Job,
    execution_id: UUID,
    now: datetime,
    *,
    fired_by: RunFiredBy,
    actor: str,
    status: RunStatus = RunStatus.QUEUED,
    payload: Mapping[str, Any] | None = None,
    scheduled_at: datetime | None = None,
    available_at: datetime | None = None,
    blocked_by: UUID | None = None,
    parent_id: UUID | None = None,
    idempotency_key: str | None = None,
    request_id: str | None = None,
    stands_for: int = 1,
    error: str | None = None,
) -> JobExecution:
    """A run of the job as its definition wants it at this moment, with its deadlines."""
    definition = job.definition
    timeouts = definition.policies.timeouts
    begins = status is RunStatus.QUEUED
    return JobExecution(
        id=execution_id,
        tenant_id=job.tenant_id,
        job_id=job.id,
        job_name=definition.name,
        fired_by=fired_by,
        actor=actor,
        status=status,
        queue=definition.queue,
        priority=definition.priority,
        payload=definition.payload if payload is None else payload,
        scheduled_at=scheduled_at,
        available_at=available_at,
        start_before=now + timeouts.start if begins and timeouts.start else None,
        end_before=now + timeouts.total if begins and timeouts.total else None,
        blocked_by=blocked_by,
        parent_id=parent_id,
        idempotency_key=idempotency_key,
        request_id=request_id,
        stands_for=stands_for,
        error=error,
    )


def occupancy_of(job: Job, active: Iterable[ActiveRun]) -> Occupancy:
    """What is active of the job, for whatever is to be run beside it or behind it."""
    found = list(active)
    return Occupancy(
        [run.id for run in found if not run.waits],
        [run.id for run in found if run.waits],
        job.definition.policies.overlap,
    )


def broken(job: Job, error: Invalid) -> Job:
    """The job with the error that keeps it from running; it has no next slot until somebody mends it."""
    return replace(
        job,
        status=JobStatus.CONFIG_ERROR,
        error=config_error(error, job.definition),
        next_slot=None,
        next_fire_at=None,
    )


async def _calendars(uow: JobUnitOfWork, jobs: Iterable[Job]) -> Calendars:
    if all(job.definition.trigger.calendar is None for job in jobs):
        return Calendars()
    return await calendars_of(uow)


async def calendars_of(uow: JobUnitOfWork) -> Calendars:
    """All calendars of the tenant."""
    return Calendars({calendar.name: (calendar, version) for calendar, version in await uow.calendars.list()})


def _advanced(job: Job, compiled: CompiledJob, following: datetime | None, fired: int) -> Advance:
    if following is None:
        return Advance(job.id, JobStatus.FINISHED, None, None, fired)
    return Advance(job.id, JobStatus.ACTIVE, following, compiled.fire_at(following), fired)
