"""What follows from the end of an execution, in the transaction that writes it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

import structlog

from qs.application.scheduler.compiling import JobCompiling
from qs.application.scheduler.job_firing import broken, calendars_of, new_run, occupancy_of
from qs.application.scheduler.job_ports import Advance, AttemptWrite, ClaimedRun, JobUnitOfWork, Wake
from qs.application.scheduler.metering import Meter, NullMeter
from qs.application.scheduler.notice_writing import NoticeWriting
from qs.domain.kernel.errors import Invalid
from qs.domain.kernel.ids import IdGenerator
from qs.domain.scheduler.job import Job, JobStatus
from qs.domain.scheduler.job_execution import FAILED_ENDS, RunFiredBy, RunStatus
from qs.domain.scheduler.overlapping import Admission
from qs.domain.scheduler.policies import ChainOn, MisfirePolicy, OverlapPolicy
from qs.domain.scheduler.triggers import TriggerKind

_log = structlog.get_logger()

_SERIAL = frozenset({OverlapPolicy.QUEUE_ONE, OverlapPolicy.QUEUE_ALL, OverlapPolicy.REPLACE})


class JobEnding:
    """Writes how attempts ended, and does what the end of an execution brings about.

    Runs that wait behind it may begin, chained jobs are run, a fixed delay begins to count, notices are put down.
    """

    def __init__(
        self,
        compiling: JobCompiling,
        ids: IdGenerator,
        notices: NoticeWriting | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._compiling = compiling
        self._ids = ids
        self._notices = notices or NoticeWriting(ids)
        self._meter = meter or NullMeter()

    async def write(
        self, uow: JobUnitOfWork, ends: Sequence[tuple[ClaimedRun, AttemptWrite]]
    ) -> dict[UUID, RunStatus]:
        """Writes the ends that their holders may still write, and tells where those executions stand then.

        The others are refused and audited.
        """
        await self.hold(uow, [run for run, _ in ends])
        accepted = await uow.runs.write([end for _, end in ends])
        over: list[ClaimedRun] = []
        for run, end in ends:
            if run.execution.id not in accepted:
                await self._refuse(uow, run, end)
            elif (status := accepted[run.execution.id]).is_terminal:
                # What was asked to stop meanwhile is over although another attempt was meant.
                ended = replace(run.execution, status=status, error=end.error)
                over.append(ClaimedRun(ended, run.definition))
        await self.follow(uow, over)
        return dict(accepted)

    async def hold(self, uow: JobUnitOfWork, runs: Sequence[ClaimedRun]) -> None:
        """Locks the jobs that the ends of these executions may concern; to be called before any of them is written.

        A clock that has a job locked may wait for its executions, to have them replaced, so nobody who has these may
        wait for the job.
        """
        own = {run.execution.job_id for run in runs if _may_have_waiters(run) or _delays(run)}
        chained = {link.job for run in runs for link in run.definition.policies.chain}
        if own or chained:
            await uow.jobs.lock(own, chained)

    async def follow(self, uow: JobUnitOfWork, over: Sequence[ClaimedRun]) -> None:
        """What follows from these executions, which are held and whose end is written in this transaction."""
        waiters = [run for run in over if _may_have_waiters(run)]
        delayed = [run for run in over if _delays(run)]
        began = 0
        if waiters:
            began += await uow.runs.release({run.execution.job_id for run in waiters})
        if delayed:
            await self.clock(uow, [run.execution.job_id for run in delayed])
        for run in over:
            if run.definition.policies.chain:
                began += await self._chain(uow, run)
            self._meter.ended(run.definition.target.kind, run.execution.status)
        if began:
            await uow.wake(Wake.RUNS)
        # Last, since whoever tells of a job holds its lock until this commits.
        await self._notices.ends(uow, over)

    async def clock(self, uow: JobUnitOfWork, job_ids: Iterable[UUID]) -> None:
        """Gives jobs whose slots follow the end of an execution their next slot; the jobs are locked."""
        if not (job_ids := list(job_ids)):
            return
        now = await uow.system_now()
        calendars = await calendars_of(uow)
        moves: list[Advance] = []
        busy = await uow.runs.active(job_ids)
        for job_id in job_ids:
            job = await uow.jobs.get(job_id)
            # It may have been taken away, switched off or changed while it ran.
            if job is None or not _waits_for_a_slot(job) or busy.get(job_id):
                continue
            try:
                compiled = self._compiling.compile(job, calendars)
            except Invalid as error:
                await uow.jobs.save(broken(job, error))
                continue
            slot = compiled.trigger.next_after(now)
            status = JobStatus.FINISHED if slot is None else JobStatus.ACTIVE
            moves.append(Advance(job.id, status, slot, None if slot is None else compiled.fire_at(slot), 0))
        await uow.jobs.advance(moves)
        if moves:
            await uow.wake(Wake.JOBS)

    async def _chain(self, uow: JobUnitOfWork, run: ClaimedRun) -> int:
        """Runs the jobs that follow such an end; what they may do beside themselves they decide."""
        began = 0
        for link in run.definition.policies.chain:
            if link.on not in _ends_of(run.execution.status):
                continue
            job = await uow.jobs.by_name(link.job, lock=True)
            if job is None or not job.definition.enabled or job.status is JobStatus.CONFIG_ERROR:
                _log.warning("job_chain_broken", job_id=str(run.execution.job_id), following=link.job)
                continue
            now = await uow.system_now()
            active = (await uow.runs.active([job.id])).get(job.id, ())
            execution_id = self._ids()
            admitted = occupancy_of(job, active).admit(execution_id)
            skipped = admitted.admission is Admission.SKIP
            execution = new_run(
                job,
                execution_id,
                now,
                fired_by=RunFiredBy.CHAIN,
                actor=run.execution.actor,
                status=RunStatus.SKIPPED if skipped else RunStatus.QUEUED,
                available_at=now if admitted.admission is Admission.RUN else None,
                blocked_by=admitted.blocked_by,
                parent_id=run.execution.id,
                error="another execution of the job was active" if skipped else None,
            )
            await uow.runs.add([(execution, job.definition)])
            if skipped:
                self._meter.ended(job.definition.target.kind, RunStatus.SKIPPED)
            if admitted.replaces:
                await uow.runs.stop(admitted.replaces, RunStatus.REPLACED)
                await uow.runs.release([job.id])
                await uow.wake(Wake.STOPS)
            began += not skipped
        return began

    async def _refuse(self, uow: JobUnitOfWork, run: ClaimedRun, end: AttemptWrite) -> None:
        _log.warning("execution_end_refused", execution_id=str(run.execution.id), epoch=end.epoch)
        await uow.audit.add(
            "execution.end_refused",
            "execution",
            run.execution.id,
            actor=run.execution.actor,
            detail={"job": run.execution.job_name, "epoch": end.epoch, "status": end.status},
        )


def _ends_of(status: RunStatus) -> frozenset[ChainOn]:
    if status is RunStatus.SUCCEEDED:
        return frozenset({ChainOn.SUCCESS, ChainOn.COMPLETION})
    return frozenset({ChainOn.FAILURE, ChainOn.COMPLETION}) if status in FAILED_ENDS else frozenset()


def _may_have_waiters(run: ClaimedRun) -> bool:
    policies = run.definition.policies
    if run.execution.fired_by is RunFiredBy.BACKFILL:
        return True
    return policies.overlap.policy in _SERIAL or policies.misfire.policy is MisfirePolicy.FIRE_ALL


def _delays(run: ClaimedRun) -> bool:
    return run.definition.trigger.type is TriggerKind.FIXED_DELAY


def _waits_for_a_slot(job: Job) -> bool:
    return job.definition.enabled and job.status is JobStatus.ACTIVE and job.next_slot is None
