"""Runs executions of jobs: claims what waits, does the attempts, and writes how they ended."""

import asyncio
import random
import time
from bisect import bisect_right
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from uuid import UUID

import structlog
from structlog.contextvars import bind_contextvars

from qs.application.kernel import tracing
from qs.application.scheduler.executors import Attempt, AttemptOutcome, AttemptStatus, Executor
from qs.application.scheduler.job_ports import (
    AcrossTenants,
    ClaimedRun,
    Held,
    JobUnitOfWorkFactory,
    QueueLimits,
)
from qs.application.scheduler.run_ends import RunEnds
from qs.application.scheduler.run_output import RunOutput
from qs.domain.scheduler.execution import Lease
from qs.domain.scheduler.job_execution import JOB_LEASE, JobExecution, RunStatus

_log = structlog.get_logger()

# Of many executions that are due at one instant the first begin while the others are still being claimed.
_CLAIMED_AT_ONCE = 100
_FAILURES = frozenset({AttemptStatus.FAILED, AttemptStatus.TIMED_OUT})
# What a process that ends waits for what it cancels.
_STOPPED_WITHIN_S = 30.0


@dataclass(eq=False, slots=True)
class _Running:
    run: ClaimedRun
    task: "asyncio.Task[None] | None" = None
    stop_as: RunStatus | None = None
    """Set before the task is canceled: what it was asked to stop as."""
    taken_away: bool = False
    given_back: bool = False
    over: bool = False
    """Whether its attempt has ended, so that only the end is still to be written."""


class JobRunning:
    """The executions that this process works on; there is one of it per process.

    An execution is written to only under the epoch it was claimed with: a process that slept past its lease finds its
    writes refused, and stops the work it can still stop. ``concurrency`` is how many attempts it makes at once. Half as
    many more may be held whose attempt is over, so that the next are claimed while ends are written; not where
    ``limits`` hold, since they count an execution until its end is written.
    """

    def __init__(
        self,
        unit_of_work: JobUnitOfWorkFactory,
        across: AcrossTenants,
        executors: Mapping[str, Executor],
        ends: RunEnds,
        worker: str,
        *,
        concurrency: int = 10,
        limits: QueueLimits | None = None,
        lease: Lease = JOB_LEASE,
    ) -> None:
        self.worker = worker
        self.lease = lease
        self._unit_of_work = unit_of_work
        self._across = across
        self._executors = executors
        self._ends = ends
        self._concurrency = concurrency
        self._limits = limits or QueueLimits({})
        limited = self._limits.by_queue or self._limits.per_tenant is not None
        self._most_held = concurrency if limited else concurrency + concurrency // 2
        self._running: dict[UUID, _Running] = {}
        self._attempting = 0
        self._room = asyncio.Event()
        self._claiming = True
        self._served = UUID(int=random.getrandbits(128))
        """The tenant that had its turn last; another one in each process to begin with."""

    def __len__(self) -> int:
        return len(self._running)

    @property
    def free(self) -> int:
        """How many more executions this process may claim."""
        if not self._claiming:
            return 0
        return max(0, min(self._concurrency - self._attempting, self._most_held - len(self._running)))

    def pause(self) -> None:
        """Claims nothing from now on; what is held goes on."""
        self._claiming = False

    def go_on(self) -> None:
        self._claiming = True

    async def room(self) -> None:
        """Returns when there is room for another execution."""
        while not self.free:
            self._room.clear()
            await self._room.wait()

    async def take(self) -> int:
        """Claims what waits, as much as there is room for, and works on it in the background; how many that were."""
        left = self.free
        if not left:
            return 0
        tenants = list(await self._across.waiting())
        if not tenants:
            return 0
        # A tenant with a long queue takes its turn like one with a short one: whoever comes after the one served last.
        tenants.sort()
        first = bisect_right(tenants, self._served)
        tenants = [*tenants[first:], *tenants[:first]]
        taken = 0
        while tenants and left > 0:
            share = max(1, min(left, _CLAIMED_AT_ONCE) // len(tenants))
            more: list[UUID] = []
            for tenant_id in tenants:
                room = min(share, left, self.free)
                if room <= 0:
                    return taken
                claimed = await self._claim(tenant_id, room)
                self._served = tenant_id
                taken += claimed
                left -= claimed
                if claimed == room:
                    more.append(tenant_id)
            tenants = more
        return taken

    async def _claim(self, tenant_id: UUID, limit: int) -> int:
        async with self._unit_of_work(tenant_id) as uow:
            await uow.hurry()
            claimed = await uow.runs.claim(
                self.worker,
                limit,
                kinds=tuple(self._executors),
                limits=self._limits,
                lease=self.lease.length,
            )
            if not claimed:
                return 0
            await uow.commit("run.claim")
        for run in claimed:
            self.carry_on(run)
        return len(claimed)

    def carry_on(self, run: ClaimedRun) -> None:
        """Works in the background on an execution that was claimed for this process."""
        running = _Running(run)
        self._running[run.execution.id] = running
        self._attempting += 1
        running.task = asyncio.create_task(self._work(running), name=f"run-{run.execution.id}")

    async def beat(self) -> None:
        """Says of everything held that it is alive, and stops what was asked to stop or was taken away."""
        held = [each for each in self._running.values() if not each.taken_away]
        for tenant_id, own in groupby(
            sorted(held, key=lambda each: each.run.execution.tenant_id),
            key=lambda each: each.run.execution.tenant_id,
        ):
            await self._beat(tenant_id, list(own))

    async def _beat(self, tenant_id: UUID, own: list[_Running]) -> None:
        async with self._unit_of_work(tenant_id) as uow:
            await uow.hurry()
            answers = await uow.runs.beat([_held(each.run) for each in own], self.lease.length)
            await uow.commit("run.beat")
        for each in own:
            execution_id = each.run.execution.id
            if each.over:
                # Nothing is left to stop, and whoever writes its end finds out whether that is another's by now.
                continue
            if execution_id not in answers:
                # Ended a moment ago by ourselves, or it is another's by now.
                if execution_id in self._running and each.task is not None and not each.task.done():
                    each.taken_away = True
                    each.task.cancel()
            elif (as_ := answers[execution_id]) is not None and each.stop_as is None:
                each.stop_as = as_
                if each.task is not None:
                    each.task.cancel()

    async def _work(self, running: _Running) -> None:
        execution, definition = running.run.execution, running.run.definition
        output = RunOutput(self._unit_of_work, execution.tenant_id, _held(running.run), execution.attempt)
        began = time.monotonic()
        # A task has a context of its own, which ends with it.
        bind_contextvars(execution_id=str(execution.id), job_id=str(execution.job_id))
        try:
            outcome = await self._traced_attempt(running, output)
        except asyncio.CancelledError:
            # Uncanceled: the end of what was stopped has to be written as any other.
            if (task := asyncio.current_task()) is not None:
                task.uncancel()
            if running.stop_as is None:
                await self._let_go(running, output)
                return
            outcome = AttemptOutcome(
                status=AttemptStatus.CANCELED, error=f"stopped on request ({running.stop_as.value})"
            )
        except Exception as error:  # noqa: BLE001 - whatever an executor raises is the end of an attempt
            # The text of an unforeseen error may hold anything, a secret among it; its log line has the rest.
            _log.warning("executor_failed", kind=definition.target.kind, exc_info=True)
            outcome = AttemptOutcome(
                status=AttemptStatus.FAILED,
                code="error",
                error=f"internal error ({type(error).__name__})",
            )
        await output.end()
        self._attempted(running)
        try:
            await self._ends.written(running.run, outcome, running.stop_as, began, output)
        finally:
            self._forget(running)

    async def _traced_attempt(self, running: _Running, output: RunOutput) -> AttemptOutcome:
        execution = running.run.execution
        with tracing.span(
            "run job",
            {
                "qs.job_id": str(execution.job_id),
                "qs.execution_id": str(execution.id),
                "qs.fired_by": execution.fired_by.value,
                "qs.attempt": execution.attempt,
                "qs.target": running.run.definition.target.kind,
            },
            trace=execution.id,
        ) as span:
            outcome = await self._attempt(running, output)
            if outcome.status in _FAILURES:
                span.fail(outcome.code or outcome.status.value)
            return outcome

    async def _attempt(self, running: _Running, output: RunOutput) -> AttemptOutcome:
        execution, definition = running.run.execution, running.run.definition
        timeout = definition.policies.timeouts.attempt
        if execution.end_before is not None and execution.started_at is not None:
            # Both are the database's time; how long is left does not depend on this machine's clock.
            assert execution.lease_until is not None
            now = execution.lease_until - self.lease.length
            timeout = min(timeout, max(execution.end_before - now, timedelta(0)))
        executor = self._executors[definition.target.kind]
        attempt = Attempt(
            execution_id=execution.id,
            job_id=execution.job_id,
            job_name=execution.job_name,
            tenant_id=execution.tenant_id,
            scheduled_at=execution.scheduled_at,
            number=execution.attempt,
            idempotency_key=execution.key,
            actor=execution.actor,
            timeout=timeout,
            target=definition.target.spec,
            payload=execution.payload,
            output=output,
            traceparent=tracing.traceparent() or _traceparent(execution),
            handed_over=lambda: running.given_back and running.stop_as is None,
        )
        try:
            async with asyncio.timeout((timeout + executor.grace).total_seconds()):
                return await executor.execute(attempt)
        except TimeoutError:
            return AttemptOutcome(
                status=AttemptStatus.TIMED_OUT, code="timeout", error="the attempt did not end in time"
            )

    async def _let_go(self, running: _Running, output: RunOutput) -> None:
        await output.close()
        if not running.taken_away:
            try:
                async with self._unit_of_work(running.run.execution.tenant_id) as uow:
                    await uow.hurry()
                    await uow.runs.give_back([_held(running.run)])
                    await uow.commit("run.give_back")
            except Exception:  # noqa: BLE001 - the lease runs out by itself
                _log.warning("give_back_failed", execution_id=str(running.run.execution.id), exc_info=True)
        self._forget(running)

    def _attempted(self, running: _Running) -> None:
        if not running.over:
            running.over = True
            self._attempting -= 1
            self._room.set()

    def _forget(self, running: _Running) -> None:
        self._attempted(running)
        # It may have been lost, and claimed again by this very process.
        if self._running.get(running.run.execution.id) is running:
            del self._running[running.run.execution.id]
        self._room.set()

    async def drain(self, within: timedelta) -> None:
        """Waits for what is held, claims nothing more, and gives back what does not end in time."""
        self.pause()
        deadline = time.monotonic() + within.total_seconds()
        while self._running and time.monotonic() < deadline:
            self._room.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(deadline - time.monotonic(), 0.01)):
                    await self._room.wait()
        tasks = []
        for each in self._running.values():
            if each.task is not None:
                each.given_back = True
                each.task.cancel()
                tasks.append(each.task)
        if tasks:
            await asyncio.wait(tasks, timeout=_STOPPED_WITHIN_S)


def _held(run: ClaimedRun) -> Held:
    return Held(run.execution.id, run.execution.epoch)


def _traceparent(execution: JobExecution) -> str:
    """One trace for an execution, one span of it for each attempt (W3C Trace Context)."""
    return f"00-{execution.id.hex}-{execution.id.hex[-12:]}{execution.attempt & 0xFFFF:04x}-01"
