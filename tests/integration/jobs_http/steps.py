"""What these tests do before the one call they are about, and executors that do what a test says."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from httpx import AsyncClient, Response

from qs.application.scheduler.executors import Attempt, AttemptOutcome, AttemptStatus, OutputStream
from qs.container import Container
from qs.domain.kernel.errors import Problem
from tests.integration.plan_http.steps import ABSENT_ID, data_of, pointers_of, problem_of
from tests.support.waiting import eventually

__all__ = ["ABSENT_ID", "data_of", "pointers_of", "problem_of"]

V1 = "/api/v1/scheduler"
ECRON = "/api/ecron-management/v1"
HOURLY = {
    "name": "tidy",
    "type": "cron",
    "schedule": "0 * * * *",
    "timezone": "Asia/Shanghai",
    "target": {"builtin": "hello_job"},
}
DUTIES = 7


@dataclass
class Obedient:
    """An executor of one kind. It writes what it is told to, waits until it may end, and ends as it is told."""

    kind: str
    scope: str | None
    grace: timedelta = timedelta(seconds=30)
    outcome: AttemptOutcome = field(
        default_factory=lambda: AttemptOutcome(status=AttemptStatus.SUCCEEDED, result={"did": "it"})
    )
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    attempts: list[Attempt] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.may_end.set()

    def check(self, target: Mapping[str, Any]) -> Sequence[Problem]:
        return [Problem("/url", "is refused: it is a test")] if target.get("url") == "ftp://x" else []

    async def execute(self, attempt: Attempt) -> AttemptOutcome:
        self.attempts.append(attempt)
        await self.may_end.wait()
        return self.outcome

    async def say(self, data: bytes, stream: OutputStream = OutputStream.STDOUT) -> None:
        """The newest attempt writes this."""
        await self.attempts[-1].output.write(data, stream)

    async def aclose(self) -> None: ...


class Worker:
    """Works on executions as a worker process would."""

    def __init__(self, container: Container) -> None:
        self._running, self._ends = container.job_running(), container.run_ends()
        self._writing = asyncio.create_task(self._ends.keep_writing())

    async def begin(self) -> None:
        """Takes what waits and returns while it is worked on."""
        assert await self._running.take()

    async def work_off(self) -> None:
        """Works until nothing waits and nothing is held."""
        while await self._running.take():
            await self.idle()

    async def idle(self) -> None:
        async def holds_nothing() -> bool:
            return not len(self._running)

        await eventually(holds_nothing)

    async def beat(self) -> None:
        await self._running.beat()

    async def close(self) -> None:
        for running in list(self._running._running.values()):
            assert running.task is not None
            running.task.cancel()
        await self.idle()
        self._writing.cancel()
        await asyncio.gather(self._writing, return_exceptions=True)


async def make_job(api: AsyncClient, **fields: Any) -> dict[str, Any]:
    """A job, hourly unless said."""
    job: dict[str, Any] = data_of(await api.post(f"{V1}/jobs", json=HOURLY | fields), 201)
    return job


async def run_job(api: AsyncClient, job: Mapping[str, Any], **body: Any) -> dict[str, Any]:
    """An execution of the job, which waits for a worker."""
    run: dict[str, Any] = data_of(await api.post(f"{V1}/jobs/{job['id']}/run", json=body))
    return run


async def names_of(answer: Response) -> list[str]:
    """The names of the tenant's jobs in a list of jobs, without the duties."""
    return [job["name"] for job in data_of(answer) if job["kind"] != "duty"]


def details_of(answer: Response, error: str) -> dict[str, str]:
    """What is wrong in a 422, by pointer."""
    return {each["pointer"]: each["detail"] for each in problem_of(answer, 422, error).get("errors", [])}
