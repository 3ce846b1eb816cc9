"""Holds an execution while it is worked on: the lease, its heartbeat, and the one write that ends it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

import structlog

from qs.application.kernel import tracing
from qs.application.kernel.background import apart_from_the_request
from qs.application.scheduler.ports import DutyContext, SchedulerUnitOfWorkFactory, Work
from qs.domain.kernel.errors import QsError
from qs.domain.scheduler.execution import DUTY_LEASE, Execution, ExecutionStatus, Lease

_log = structlog.get_logger()


class ExecutionHolding:
    """What the holder of an execution does with it.

    A holder that was silent for longer than its lease may find that a clock process took the execution away.
    Its work goes on, since the state of the tasks keeps it safe, but what it writes about the end is refused.
    Every write hurries: a holder that stops in the middle of one would hold up the next slot of its duty.
    """

    def __init__(self, unit_of_work: SchedulerUnitOfWorkFactory, lease: Lease = DUTY_LEASE) -> None:
        self.lease = lease
        self._unit_of_work = unit_of_work

    @asynccontextmanager
    async def held(self, execution: Execution) -> AsyncIterator[None]:
        """Gives signs of life until the block is left; a block that is canceled gives the execution back."""
        ended = asyncio.Event()
        heartbeat = asyncio.create_task(
            self._beat(execution, ended), name=f"heartbeat-{execution.id}", context=apart_from_the_request()
        )
        try:
            yield
        except asyncio.CancelledError:
            # A beat that came after it would take back what was given.
            await _stopped(heartbeat, ended)
            await self._give_back(execution)
            raise
        finally:
            # A beat that is half way gives its connection back before anybody closes the pool.
            await _stopped(heartbeat, ended)

    async def start(self, execution: Execution) -> bool:
        """A queued execution is running from now on; False when it is no longer ours."""
        async with self._unit_of_work(execution.tenant_id) as uow:
            await uow.hurry()
            started = await uow.executions.start(execution, self.lease.length)
            await uow.commit("execution.start")
        return started

    async def work_on(self, execution: Execution, work: Work) -> Mapping[str, Any]:
        """Does the work of a running execution and records how it ended.

        Raises:
            whatever the work raises, after it has been recorded.
        """
        context = DutyContext(
            execution.id,
            execution.tenant_id,
            execution.actor,
            execution.parameters,
            execution.scheduled_at,
            execution.attempt,
        )
        with structlog.contextvars.bound_contextvars(execution_id=str(execution.id)):
            try:
                with _traced(execution):
                    result = await work(context)
            except Exception as error:
                await self._finish(execution, ExecutionStatus.FAILED, error=_told(error))
                raise
            await self._finish(execution, ExecutionStatus.SUCCEEDED, result=result)
        return result

    async def _finish(
        self,
        execution: Execution,
        status: ExecutionStatus,
        *,
        result: Mapping[str, Any] | None = None,
        error: str | None = None,
    ) -> None:
        async with self._unit_of_work(execution.tenant_id) as uow:
            await uow.hurry()
            accepted = await uow.executions.finish(execution, status, result=result, error=error)
            if not accepted:
                _log.warning("execution_end_refused", duty=execution.name, epoch=execution.epoch)
                await uow.audit.add(
                    "execution.end_refused",
                    "execution",
                    execution.id,
                    actor=execution.actor,
                    detail={"duty": execution.name, "epoch": execution.epoch, "status": status},
                )
            await uow.commit("execution.finish")

    async def _beat(self, execution: Execution, ended: asyncio.Event) -> None:
        while not ended.is_set():
            await asyncio.sleep(self.lease.heartbeat.total_seconds())
            try:
                async with self._unit_of_work(execution.tenant_id) as uow:
                    await uow.hurry()
                    held = await uow.executions.extend(execution, self.lease.length)
                    await uow.commit("execution.beat")
            except Exception:  # noqa: BLE001 - whatever keeps one beat from the database, the next may get through
                _log.warning("heartbeat_failed", execution_id=str(execution.id), exc_info=True)
                continue
            if not held:
                return

    async def _give_back(self, execution: Execution) -> None:
        try:
            async with self._unit_of_work(execution.tenant_id) as uow:
                await uow.hurry()
                await uow.executions.give_back(execution)
                await uow.commit("execution.give_back")
        except Exception:  # noqa: BLE001 - the lease runs out by itself; the cancellation must go on
            _log.warning("give_back_failed", execution_id=str(execution.id), exc_info=True)


def _traced(execution: Execution) -> AbstractContextManager[tracing.Span]:
    """What the clock fires is a trace by the execution's id; what somebody asked for belongs to their trace."""
    return tracing.span(
        f"duty {execution.name}",
        {
            "qs.duty": execution.name,
            "qs.execution_id": str(execution.id),
            "qs.fired_by": execution.fired_by.value,
            "qs.attempt": execution.attempt,
        },
        trace=execution.id,
    )


async def _stopped(heartbeat: asyncio.Task[None], ended: asyncio.Event) -> None:
    # A cancellation that comes in the same moment as an answer can be lost on its way, and the next beat never end.
    ended.set()
    heartbeat.cancel()
    await asyncio.wait({heartbeat})


def _told(error: Exception) -> str:
    # The text of an unforeseen error may hold anything, a contact or a link among it; its log line has the rest.
    return (
        f"{error.code}: {error}" if isinstance(error, QsError) else f"internal error ({type(error).__name__})"
    )
