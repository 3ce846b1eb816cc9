"""Runs a job in the process of whoever asks, as one does to debug it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from qs.application.scheduler.compiling import JobCompiling
from qs.application.scheduler.job_ending import JobEnding
from qs.application.scheduler.job_firing import calendars_of
from qs.application.scheduler.job_ports import ClaimedRun, Held, JobUnitOfWork, JobUnitOfWorkFactory
from qs.application.scheduler.operating import JobOperating
from qs.domain.kernel.ids import IdGenerator
from qs.domain.scheduler.errors import JobBusy
from qs.domain.scheduler.job import Job
from qs.domain.scheduler.job_execution import RunFiredBy


class RunTaking(Protocol):
    async def take(self, uow: JobUnitOfWork, execution_id: UUID, worker: str, lease: timedelta) -> ClaimedRun:
        """Begins an attempt of a queued execution for that worker, in the transaction of ``uow``."""
        ...


class LocalRunning(JobOperating):
    """Runs of jobs that the process works on that asked for them.

    1. The execution is added and claimed in one transaction: no worker ever sees it waiting, so none can take it.
    2. It is held by a lease like any other: when this process dies, the rescue finds it and a worker does it again.
    3. It has one attempt, since a failure is what somebody is looking at; a worker must not repeat it meanwhile.
    """

    def __init__(
        self,
        unit_of_work: JobUnitOfWorkFactory,
        compiling: JobCompiling,
        ending: JobEnding,
        ids: IdGenerator,
        taking: RunTaking,
    ) -> None:
        super().__init__(unit_of_work, compiling, ending, ids)
        self._taking = taking

    async def begin(
        self,
        tenant_id: UUID,
        job_id: UUID,
        *,
        worker: str,
        lease: timedelta,
        actor: str,
        payload: Mapping[str, Any] | None = None,
        force: bool = False,
    ) -> ClaimedRun:
        """The execution, which ``worker`` holds.

        Raises:
            JobAbsent, JobBroken, Invalid: it is not there, or cannot be carried out as it is written, or not here.
            JobBusy: it is active already; waiting behind it is nothing a person does. ``force`` runs it all the same.
        """
        async with self._unit_of_work(tenant_id) as uow:
            job = await self._locked(uow, job_id)
            self._compiling.compile(job, await calendars_of(uow))
            execution = await self._admitted(uow, _once(job), actor, RunFiredBy.MANUAL, payload, force=force)
            if execution.blocked_by is not None:
                raise JobBusy(job.name, execution.blocked_by)
            taken = await self._taking.take(uow, execution.id, worker, lease)
            await uow.audit.add(
                "job.run",
                "job",
                job.id,
                actor=actor,
                detail={"execution": str(execution.id), "force": force, "worker": worker},
            )
            await uow.commit("job.run_here")
        return taken


async def stay_alive(
    unit_of_work: JobUnitOfWorkFactory, tenant_id: UUID, held: Sequence[Held], lease: timedelta
) -> None:
    """Extends the leases of executions whose own process may be standing in a debugger."""
    async with unit_of_work(tenant_id) as uow:
        await uow.hurry()
        await uow.runs.beat(held, lease)
        await uow.commit("run.beat_here")


def _once(job: Job) -> Job:
    policies = job.definition.policies
    policies = replace(policies, retry=replace(policies.retry, max_attempts=1))
    return replace(job, definition=replace(job.definition, policies=policies))
