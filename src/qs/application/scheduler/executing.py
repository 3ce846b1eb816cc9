"""Executes duties: at once for whoever asks, or in the background under an id to ask for."""

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from qs.application.kernel.background import BackgroundWork
from qs.application.scheduler.holding import ExecutionHolding
from qs.application.scheduler.ports import DutyRegistry, SchedulerUnitOfWorkFactory, Work
from qs.domain.kernel.ids import IdGenerator
from qs.domain.scheduler.errors import DutyUnbound, ShuttingDown, TooManyWaiting
from qs.domain.scheduler.execution import DUTY_LEASE, Execution, ExecutionStatus, FiredBy, Lease


@dataclass(frozen=True, slots=True)
class Executed:
    """An execution that succeeded, and what its work returned."""

    execution_id: UUID
    result: Mapping[str, Any]


class DutyExecutions:
    """The executions this process holds; there is one of it per process.

    What works in the background is given back, and so found lost at once, when the process drains.
    """

    def __init__(
        self,
        unit_of_work: SchedulerUnitOfWorkFactory,
        registry: DutyRegistry,
        ids: IdGenerator,
        worker: str,
        background: BackgroundWork,
        *,
        lease: Lease = DUTY_LEASE,
        side_by_side: int = 4,
        waiting: int = 64,
    ) -> None:
        """``side_by_side`` executions asked for in the background work at once, ``waiting`` more may be queued."""
        self.worker = worker
        self.lease = lease
        self._unit_of_work = unit_of_work
        self._registry = registry
        self._ids = ids
        self._background = background
        self._holding = ExecutionHolding(unit_of_work, lease)
        self._places = asyncio.Semaphore(side_by_side)
        self._capacity = side_by_side + waiting

    async def run(
        self,
        name: str,
        *,
        fired_by: FiredBy,
        actor: str,
        tenant_id: UUID,
        parameters: Mapping[str, Any] | None = None,
        work: Work | None = None,
    ) -> Executed:
        """Does the duty's work now and answers when it is done; consumes no slot.

        The result is that of the work, even where the execution was declared lost meanwhile. ``parameters`` are
        kept with the execution and must be JSON-able. Without ``work`` it is what the registry has for the name.

        Raises:
            whatever the work raises, after the execution has been recorded as failed.
        """
        work = work or self._work_of(name)
        execution = self._new(name, fired_by, actor, tenant_id, parameters, ExecutionStatus.RUNNING)
        await self._record(execution)
        async with self._holding.held(execution):
            return Executed(execution.id, await self._holding.work_on(execution, work))

    async def start_in_background(
        self,
        name: str,
        *,
        fired_by: FiredBy,
        actor: str,
        tenant_id: UUID,
        parameters: Mapping[str, Any] | None = None,
    ) -> UUID:
        """The id of an execution that is queued; its state and, in the end, its result are read by that id.

        If this process dies first, a clock process finds the execution lost and does the registry's work once more.

        Raises:
            TooManyWaiting: as many as may are waiting already.
            ShuttingDown: this process is about to end.
        """
        if self._background.draining:
            raise ShuttingDown
        if len(self._background) >= self._capacity:
            raise TooManyWaiting
        work = self._work_of(name)
        execution = self._new(name, fired_by, actor, tenant_id, parameters, ExecutionStatus.QUEUED)
        await self._record(execution)
        self._spawn(execution, work)
        return execution.id

    def knows(self, name: str) -> bool:
        """Whether there is work bound to the name."""
        return name in self._registry

    def carry_on(self, execution: Execution) -> None:
        """Works in the background on a running execution that was claimed for this process."""
        self._spawn(execution, self._work_of(execution.name))

    def _spawn(self, execution: Execution, work: Work) -> None:
        self._background.spawn(self._work_in_background(execution, work), f"{execution.name}:{execution.id}")

    def _work_of(self, name: str) -> Work:
        if not self.knows(name):
            raise DutyUnbound(name)
        return self._registry[name]

    def _new(
        self,
        name: str,
        fired_by: FiredBy,
        actor: str,
        tenant_id: UUID,
        parameters: Mapping[str, Any] | None,
        status: ExecutionStatus,
    ) -> Execution:
        return Execution(
            id=self._ids(),
            tenant_id=tenant_id,
            name=name,
            fired_by=fired_by,
            actor=actor,
            status=status,
            parameters=dict(parameters or {}),
            detached=status is ExecutionStatus.QUEUED,
            worker=self.worker,
        )

    async def _record(self, execution: Execution) -> None:
        async with self._unit_of_work(execution.tenant_id) as uow:
            await uow.executions.add(execution, self.lease.length)
            await uow.audit.add(
                "duty.run",
                "execution",
                execution.id,
                actor=execution.actor,
                detail={"duty": execution.name, "fired_by": execution.fired_by, "async": execution.detached},
            )
            await uow.commit("execution.record")

    async def _work_in_background(self, execution: Execution, work: Work) -> None:
        # The clock's are few, one per duty, and must not wait behind what others asked for.
        place = nullcontext() if execution.fired_by is FiredBy.CLOCK else self._places
        async with self._holding.held(execution), place:
            if execution.status is ExecutionStatus.QUEUED and not await self._holding.start(execution):
                return
            await self._holding.work_on(execution, work)
