"""What one process of qs has of the jobs, so that a test can have several, and executors that do what a test says."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from qs.application.scheduler.authoring import JobAuthoring
from qs.application.scheduler.compiling import JobCompiling
from qs.application.scheduler.executors import Attempt, AttemptOutcome, AttemptStatus
from qs.application.scheduler.job_documents import read_job
from qs.application.scheduler.job_ending import JobEnding
from qs.application.scheduler.job_firing import JobFiring
from qs.application.scheduler.job_ports import QueueLimits
from qs.application.scheduler.job_reading import JobReading
from qs.application.scheduler.job_running import JobRunning
from qs.application.scheduler.operating import JobOperating
from qs.application.scheduler.rescuing import RunRescue
from qs.application.scheduler.run_ends import RunEnds
from qs.application.scheduler.switching import JobSwitching
from qs.domain.kernel.errors import Problem
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.scheduler.execution import Lease
from qs.domain.scheduler.job import Job
from qs.domain.scheduler.job_execution import JOB_LEASE
from qs.infra.scheduler.across_jobs import SqlAcrossTenants
from qs.infra.scheduler.unit_of_work import JobUnitsOfWork
from tests.support.waiting import eventually

# A holder with it is believed dead at once.
DEAD = Lease(length=timedelta(0), heartbeat=timedelta(hours=1))
ACTOR = "user:anna"
SUCCEEDED = AttemptOutcome(status=AttemptStatus.SUCCEEDED, result={"did": "it"})


def failed(code: str = "error", *, permanent: bool = False) -> AttemptOutcome:
    return AttemptOutcome(
        status=AttemptStatus.FAILED, code=code, error="it did not work", permanent=permanent
    )


@dataclass
class Scripted:
    """An executor that does what the test says, and keeps what it was told. It answers to every kind."""

    kind: str = "builtin"
    scope: str | None = None
    grace: timedelta = timedelta(seconds=30)
    outcomes: list[AttemptOutcome] = field(default_factory=list)
    """What the next attempts end with; SUCCEEDED when there is none left."""
    attempts: list[Attempt] = field(default_factory=list)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: list[UUID] = field(default_factory=list)
    wrote: bytes = b""
    problems: list[Problem] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self.may_end.set()

    def hold(self) -> None:
        """Attempts do not end until ``may_end`` is set."""
        self.may_end.clear()

    def check(self, target: Mapping[str, Any]) -> Sequence[Problem]:
        return self.problems

    async def execute(self, attempt: Attempt) -> AttemptOutcome:
        self.attempts.append(attempt)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.wrote:
                await attempt.output.write(self.wrote)
            outcome = self.outcomes.pop(0) if self.outcomes else SUCCEEDED
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.stopped.append(attempt.execution_id)
            raise
        finally:
            self.at_once -= 1
        return outcome

    async def begun(self, times: int = 1) -> None:
        async def enough() -> bool:
            return len(self.attempts) >= times

        await eventually(enough)

    async def aclose(self) -> None: ...


class Node:
    """A process with a clock, a worker and everything people ask of them, over one scripted executor."""

    def __init__(
        self,
        engine: AsyncEngine,
        executor: Scripted | None = None,
        *,
        lease: Lease = JOB_LEASE,
        concurrency: int = 10,
        limits: QueueLimits | None = None,
        batch: int = 1000,
    ) -> None:
        self.executor = executor or Scripted()
        unit_of_work: Any = JobUnitsOfWork(engine)
        self.uow = unit_of_work
        across = SqlAcrossTenants(engine)
        executors: dict[str, Any] = {"builtin": self.executor}
        self.compiling = JobCompiling(executors, "Asia/Shanghai")
        ending = JobEnding(self.compiling, uuid7)
        self.firing = JobFiring(unit_of_work, across, self.compiling, uuid7, batch=batch)
        self.ends = RunEnds(unit_of_work, ending)
        self.running = JobRunning(
            unit_of_work,
            across,
            executors,
            self.ends,
            f"node:{uuid7()}",
            concurrency=concurrency,
            limits=limits,
            lease=lease,
        )
        self.rescue = RunRescue(unit_of_work, across, ending)
        self.authoring = JobAuthoring(unit_of_work, self.compiling, uuid7)
        self.operating = JobOperating(unit_of_work, self.compiling, ending, uuid7)
        self.reading = JobReading(unit_of_work, self.compiling, "Asia/Shanghai")
        self.switching = JobSwitching(unit_of_work)
        self._writing: asyncio.Task[None] | None = None

    async def job(self, name: str = "tidy", *, tenant_id: UUID = DEFAULT_TENANT, **fields: Any) -> Job:
        """A stored job; every minute if nothing is said."""
        document = {
            "name": name,
            "type": "cron",
            "schedule": "* * * * *",
            "target": {"builtin": "x"},
            **fields,
        }
        return await self.authoring.create(tenant_id, read_job(document), actor=ACTOR)

    async def work(self) -> int:
        """Claims what waits and works on it in the background."""
        if self._writing is None:
            self._writing = asyncio.create_task(self.ends.keep_writing())
        return await self.running.take()

    async def work_off(self) -> None:
        """Works until nothing waits and nothing is held."""
        while await self.work():
            await self.idle()

    async def idle(self) -> None:
        async def nothing_held() -> bool:
            return not len(self.running)

        await eventually(nothing_held)

    async def close(self, within: timedelta = timedelta(0)) -> None:
        await self.running.drain(within)
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)


class JobBooks:
    """Reads and bends the tables of one tenant's jobs as they are."""

    def __init__(self, engine: AsyncEngine, tenant_id: UUID = DEFAULT_TENANT) -> None:
        self._engine = engine
        self._tenant_id = tenant_id

    async def rows(self, query: str, **values: object) -> list[Any]:
        async with self._engine.connect() as connection:
            await connection.execute(
                text("SELECT set_config('qs.tenant_id', :tenant, true)"), {"tenant": str(self._tenant_id)}
            )
            found = await connection.execute(text(query), values)
            rows = list(found) if found.returns_rows else []
            await connection.commit()
            return rows

    async def due_since(self, job: Job, at: datetime) -> None:
        """The job's next slot is that one; the clocks were away since."""
        await self.rows("UPDATE job SET next_slot = :at, next_fire_at = :at WHERE id = :id", at=at, id=job.id)

    async def now(self) -> datetime:
        (row,) = await self.rows("SELECT clock_timestamp() AS now")
        now: datetime = row.now
        return now

    async def runs(self, job: Job | None = None) -> list[Any]:
        """Executions in the order in which they were made."""
        where = "" if job is None else " WHERE job_id = :id"
        return await self.rows(
            f"SELECT * FROM job_execution{where} ORDER BY scheduled_at NULLS LAST, id",
            **({} if job is None else {"id": job.id}),
        )

    async def run(self, execution_id: UUID) -> Any:
        (row,) = await self.rows("SELECT * FROM job_execution WHERE id = :id", id=execution_id)
        return row

    async def attempts(self, execution_id: UUID) -> list[Any]:
        return await self.rows(
            "SELECT * FROM job_attempt WHERE execution_id = :id ORDER BY number", id=execution_id
        )

    async def job(self, job: Job) -> Any:
        (row,) = await self.rows("SELECT * FROM job WHERE id = :id", id=job.id)
        return row

    async def until(self, holds: Callable[[], Any]) -> None:
        await eventually(holds)
