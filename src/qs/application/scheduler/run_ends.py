"""Writes how attempts ended, as many in one transaction as have ended by then."""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import structlog

from qs.application.scheduler.executors import AttemptOutcome, AttemptStatus
from qs.application.scheduler.job_ending import JobEnding
from qs.application.scheduler.job_ports import AttemptWrite, ClaimedRun, JobUnitOfWorkFactory
from qs.application.scheduler.metering import RunTiming
from qs.application.scheduler.run_output import RunOutput
from qs.domain.scheduler.job_execution import AttemptEnd, RunFiredBy, RunStatus, conclude

_log = structlog.get_logger()

_AT_ONCE = 500
_TOLD_AT_ONCE = 20
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
# An end that cannot be written is tried without its output then, which matters less.
_TRIES_WITH_OUTPUT = 3

_ENDS = {
    AttemptStatus.SUCCEEDED: AttemptEnd.SUCCEEDED,
    AttemptStatus.FAILED: AttemptEnd.FAILED,
    AttemptStatus.TIMED_OUT: AttemptEnd.TIMED_OUT,
    AttemptStatus.CANCELED: AttemptEnd.CANCELED,
    AttemptStatus.LOST: AttemptEnd.LOST,
}


@dataclass(eq=False, slots=True)
class _End:
    run: ClaimedRun
    outcome: AttemptOutcome
    output: RunOutput
    began: float
    written: "asyncio.Future[None]"
    status: RunStatus | None = None
    took_s: float = 0.0


class RunEnds:
    """The ends that this process has to write; a database that is away delays them and loses none."""

    def __init__(
        self,
        unit_of_work: JobUnitOfWorkFactory,
        ending: JobEnding,
        *,
        measure: Callable[[RunTiming], None] | None = None,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._ending = ending
        self._measure = measure
        self._ends: asyncio.Queue[_End] = asyncio.Queue()
        self._untold: asyncio.Queue[_End] = asyncio.Queue()

    async def written(
        self,
        run: ClaimedRun,
        outcome: AttemptOutcome,
        stop_as: RunStatus | None,
        began: float,
        output: RunOutput,
    ) -> None:
        """Returns when the end is written or refused, and with it what is left of the output.

        ``began`` is when the attempt did, in monotonic seconds.
        """
        if stop_as is not None:
            run = replace(run, execution=replace(run.execution, cancel_requested=stop_as))
        end = _End(run, outcome, output, began, asyncio.get_running_loop().create_future())
        self._ends.put_nowait(end)
        await end.written

    async def keep_writing(self) -> None:
        """Writes what comes, for ever."""
        try:
            async with asyncio.TaskGroup() as loops:
                loops.create_task(self._keep_telling(), name="run-ends-told")
                await self._keep_writing()
        finally:
            self._tell(self._untold.get_nowait() for _ in range(self._untold.qsize()))

    async def _keep_writing(self) -> None:
        while True:
            ends = [await self._ends.get()]
            with suppress(asyncio.QueueEmpty):
                while len(ends) < _AT_ONCE:
                    ends.append(self._ends.get_nowait())
            ends.sort(key=_tenant)
            for tenant_id, own in groupby(ends, key=_tenant):
                await self._write(tenant_id, list(own))

    async def _write(self, tenant_id: UUID, ends: Sequence[_End]) -> None:
        failures = 0
        while True:
            try:
                statuses = await self._write_once(tenant_id, ends, failures < _TRIES_WITH_OUTPUT)
                break
            except Exception:  # noqa: BLE001 - an end is written sometime; the leases go on meanwhile
                failures += 1
                if failures & (failures - 1) == 0:
                    _log.warning("ends_not_written", count=len(ends), failures=failures, exc_info=True)
                pause_s = min(_FIRST_PAUSE_S * 2 ** min(failures, 10), _LONGEST_PAUSE_S)
                await asyncio.sleep(pause_s * random.uniform(0.75, 1.0))  # noqa: S311 - no secret
        now = time.monotonic()
        for end in ends:
            if not end.written.done():
                end.written.set_result(None)
            end.status, end.took_s = statuses.get(end.run.execution.id), now - end.began
            self._untold.put_nowait(end)

    async def _write_once(
        self, tenant_id: UUID, ends: Sequence[_End], with_output: bool
    ) -> dict[UUID, RunStatus]:
        async with self._unit_of_work(tenant_id) as uow:
            await uow.hurry()
            now = await uow.system_now()
            statuses = await self._ending.write(uow, [(end.run, _write_of(end, now)) for end in ends])
            if with_output and (pieces := [piece for end in ends for piece in await end.output.rest(uow)]):
                await uow.runs.append_output(pieces)
            await uow.commit("run.end")
        return statuses

    async def _keep_telling(self) -> None:
        """A line for each end takes longer than to write many of them, so the next are on their way meanwhile."""
        while True:
            ends = [await self._untold.get()]
            while len(ends) < _TOLD_AT_ONCE and not self._untold.empty():
                ends.append(self._untold.get_nowait())
            self._tell(ends)
            await asyncio.sleep(0)

    def _tell(self, ends: Iterable[_End]) -> None:
        log = _log.bind()
        for end in ends:
            self._tell_one(end, log)

    def _tell_one(self, end: _End, log: Any) -> None:
        status = end.status
        if status is None:
            return
        execution, duration_s = end.run.execution, end.took_s
        lateness_s = None
        if execution.attempt == 1 and execution.started_at is not None:
            # A slot that is filled in afterwards was never meant to be on time.
            by_clock = execution.fired_by is RunFiredBy.CLOCK
            due_at = execution.scheduled_at if by_clock else execution.available_at
            lateness_s = max((execution.started_at - due_at).total_seconds(), 0.0) if due_at else None
        log.info(
            "execution_ended",
            execution_id=str(execution.id),
            job_id=str(execution.job_id),
            status=status.value,
            attempt=execution.attempt,
            duration_ms=round(duration_s * 1000),
            lateness_ms=None if lateness_s is None else round(lateness_s * 1000),
            code=end.outcome.code,
        )
        if self._measure is not None:
            self._measure(
                RunTiming(end.run.definition.target.kind, execution.queue, status, lateness_s, duration_s)
            )


def _tenant(end: _End) -> UUID:
    return end.run.execution.tenant_id


def _write_of(end: _End, now: datetime) -> AttemptWrite:
    execution, outcome, definition = end.run.execution, end.outcome, end.run.definition
    if outcome.status is AttemptStatus.AWAITED:
        until = now + definition.policies.timeouts.attempt
        return AttemptWrite(
            execution_id=execution.id,
            epoch=execution.epoch,
            number=execution.attempt,
            end=None,
            status=RunStatus.RUNNING,
            code=outcome.code,
            result=outcome.result,
            awaited_until=min(until, execution.end_before or until),
        )
    return attempt_write(
        end.run,
        _ENDS[outcome.status],
        now,
        code=outcome.code,
        error=outcome.error,
        permanent=outcome.permanent,
        result=outcome.result or None,
    )


def attempt_write(
    run: ClaimedRun,
    end: AttemptEnd,
    now: datetime,
    *,
    code: str | None = None,
    error: str | None = None,
    permanent: bool = False,
    result: Mapping[str, Any] | None = None,
) -> AttemptWrite:
    """The end of the current attempt of an execution, and what the rules make of it at ``now``."""
    execution = run.execution
    conclusion = conclude(
        execution,
        end,
        code=code,
        permanent=permanent,
        retry=run.definition.policies.retry,
        now=now,
        chance=random.random(),  # noqa: S311 - no secret
    )
    return AttemptWrite(
        execution_id=execution.id,
        epoch=execution.epoch,
        number=execution.attempt,
        end=end,
        status=conclusion.status,
        code=code,
        error=error,
        result=result,
        again_at=conclusion.again_at,
    )
