"""Looks after what nobody holds: executions of dead workers, runs that wait behind nothing, deadlines that passed."""

from uuid import UUID

import structlog

from qs.application.scheduler.job_ending import JobEnding
from qs.application.scheduler.job_ports import AcrossTenants, JobUnitOfWorkFactory, Wake
from qs.application.scheduler.run_ends import attempt_write
from qs.domain.scheduler.job_execution import AttemptEnd

_log = structlog.get_logger()

_AT_ONCE = 200


class RunRescue:
    """Run by every clock process, once a second; of several that find the same execution one takes it."""

    def __init__(self, unit_of_work: JobUnitOfWorkFactory, across: AcrossTenants, ending: JobEnding) -> None:
        self._unit_of_work = unit_of_work
        self._across = across
        self._ending = ending

    async def rescue(self) -> int:
        """How many executions were taken from holders that gave no sign of life."""
        rescued = 0
        for tenant_id, execution_ids in (await self._across.lost(_AT_ONCE)).items():
            rescued += await self._take_over(tenant_id, list(execution_ids))
        for tenant_id in await self._across.unattended():
            await self._attend(tenant_id)
        return rescued

    async def _take_over(self, tenant_id: UUID, execution_ids: list[UUID]) -> int:
        async with self._unit_of_work(tenant_id) as uow:
            await uow.hurry()
            await self._ending.hold(uow, await uow.runs.find(execution_ids))
            lost = await uow.runs.lost(execution_ids)
            if not lost:
                return 0
            now = await uow.system_now()
            ends = []
            for run in lost:
                if run.execution.awaited:
                    end, code, told = AttemptEnd.TIMED_OUT, "timeout", "no outcome was reported in time"
                else:
                    end, code, told = AttemptEnd.LOST, "lost", "its worker gave no sign of life"
                ends.append((run, attempt_write(run, end, now, code=code, error=told)))
            statuses = await self._ending.write(uow, ends)
            await uow.wake(Wake.RUNS)
            await uow.commit("run.take_over")
        for run in lost:
            _log.warning(
                "execution_lost",
                execution_id=str(run.execution.id),
                job_id=str(run.execution.job_id),
                attempt=run.execution.attempt,
                status=statuses.get(run.execution.id),
            )
        return len(lost)

    async def _attend(self, tenant_id: UUID) -> None:
        async with self._unit_of_work(tenant_id) as uow:
            await uow.hurry()
            if overdue := await uow.runs.overdue(_AT_ONCE):
                await self._ending.hold(uow, await uow.runs.find(overdue))
                await self._ending.follow(uow, await uow.runs.find(await uow.runs.expire(overdue)))
                await uow.commit("run.expire")
        async with self._unit_of_work(tenant_id) as uow:
            await uow.hurry()
            if waiting := await uow.runs.waiting_jobs(_AT_ONCE):
                await uow.jobs.lock(waiting)
                if await uow.runs.release(waiting):
                    await uow.wake(Wake.RUNS)
            await self._ending.clock(uow, [job.id for job in await uow.jobs.unclocked()])
            await uow.commit("run.attend")
