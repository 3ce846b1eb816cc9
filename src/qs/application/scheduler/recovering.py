"""Takes executions from holders that died, and works on those again that nobody else would."""

from uuid import UUID

import structlog

from qs.application.scheduler.executing import DutyExecutions
from qs.application.scheduler.ports import LostExecutions, SchedulerUnitOfWorkFactory
from qs.domain.kernel.ids import IdGenerator
from qs.domain.scheduler.execution import Execution

_log = structlog.get_logger()

_AT_ONCE = 100


class ExecutionRecovery:
    """Run by every clock process; of several that find the same execution, one takes it."""

    def __init__(
        self,
        unit_of_work: SchedulerUnitOfWorkFactory,
        lost: LostExecutions,
        executions: DutyExecutions,
        ids: IdGenerator,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._lost = lost
        self._executions = executions
        self._ids = ids

    async def recover(self) -> list[Execution]:
        """The executions that took over, already being worked on in this process."""
        recovered = []
        for tenant_id, execution_id in await self._lost.find(_AT_ONCE):
            try:
                successor = await self._take_over(tenant_id, execution_id)
            except Exception:  # noqa: BLE001 - what is wrong with one execution must not stop every duty
                _log.warning("take_over_failed", execution_id=str(execution_id), exc_info=True)
                continue
            if successor is not None:
                self._executions.carry_on(successor)
                recovered.append(successor)
        return recovered

    async def _take_over(self, tenant_id: UUID, execution_id: UUID) -> Execution | None:
        async with self._unit_of_work(tenant_id) as uow:
            await uow.hurry()
            lost = await uow.executions.lose(execution_id)
            if lost is None:
                return None
            successor = None
            # A duty may be gone from the code while an execution of it is still in the database.
            if lost.deserves_another_try and self._executions.knows(lost.name):
                successor = lost.successor(self._ids(), self._executions.worker)
                await uow.executions.add(successor, self._executions.lease.length)
                await uow.executions.retried(lost.id, successor.id)
            await uow.commit("execution.take_over")
        _log.warning(
            "execution_lost",
            duty=lost.name,
            execution_id=str(lost.id),
            attempt=lost.attempt,
            retried_as=str(successor.id) if successor else None,
        )
        return successor
