"""Ten thousand jobs due at one instant: how long until the last of them has begun."""

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from qs.application.scheduler.job_documents import read_job
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.scheduler.job import JobSource
from tests.proof.figures import Figures, Progress
from tests.proof.jobs import violations
from tests.proof.roles import OF_JOBS
from tests.proof.servers import Servers
from tests.proof.world import World, as_installed

JOBS = 10_000
_AT_ONCE = 1000
_BEGINS_WITHIN_S = 3
_LOOK_EVERY_S = 0.5
_PATIENCE_S = 600.0

_OVER = "SELECT count(*) FILTER (WHERE finished_at IS NOT NULL) AS over FROM job_execution"
_COURSE = """
SELECT count(DISTINCT e.job_id) AS jobs, count(*) AS executions,
    count(*) FILTER (WHERE e.status = 'succeeded' AND e.attempt = 1) AS once,
    extract(epoch FROM max(s.claimed_at) - $1)::float AS fired,
    extract(epoch FROM min(e.started_at) - $1)::float AS first,
    extract(epoch FROM max(e.started_at) - $1)::float AS last,
    extract(epoch FROM max(e.finished_at) - $1)::float AS ended
FROM job_execution e JOIN job_slot s ON s.tenant_id = e.tenant_id AND s.execution_id = e.id
WHERE e.scheduled_at = $1"""


async def burst(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """10,000 jobs at scale 1, never more, on one node as it is installed: one clock, one worker, ten executions at once."""
    figures = Figures(seed)
    count = min(JOBS, max(10, round(JOBS * rounds_scale)))
    async with World(servers, seed, scaled=False, change=as_installed) as world:
        due_at = await _seed(world, count)
        progress(f"{count} jobs are due in {(due_at - datetime.now(UTC)).total_seconds():.1f} s")
        for role in OF_JOBS:
            await world.start(role)
        deadline = time.monotonic() + _PATIENCE_S
        while not await _are_over(world, count):
            assert time.monotonic() < deadline, "they are never over"
            # Whoever asks more often takes the time of those he asks about.
            await asyncio.sleep(_LOOK_EVERY_S)
        load, seconds = os.getloadavg()[0], {role: _processor_s(world.alive(role)[0].pid) for role in OF_JOBS}
        (row,) = await world.fetch(_COURSE, due_at)
        figures.add("jobs due at one instant", count)
        figures.add("slots lost", count - row["jobs"], "0", row["jobs"] == count)
        figures.add("rows doubled", row["executions"] - row["jobs"], "0", row["executions"] == row["jobs"])
        figures.add("done in one attempt", row["once"], f"{count}", row["once"] == count)
        figures.add("the last was fired after s", row["fired"])
        figures.add("the first was begun after s", row["first"])
        figures.add("the last was begun after s", row["last"])
        figures.add("the last had ended after s", row["ended"])
        figures.add("begun per second", count / row["last"])
        # What a quiet machine would come to; the servers' own time is beside it.
        for role in OF_JOBS:
            figures.add(f"processor s of the process with the role {role}", seconds[role])
        figures.add("load of the machine, one minute", load)
        figures.none_of("violations", await violations(world))
    return figures


async def _seed(world: World, count: int) -> datetime:
    """Daily jobs, and the instant at which all of them are due for the first time, as if made a day before it."""
    async with world.container() as container:
        for start in range(0, count, _AT_ONCE):
            documents = [
                {
                    "name": f"job {number}",
                    "type": "duration",
                    "schedule": "1d",
                    "target": {"builtin": "hello_job"},
                }
                for number in range(start, min(start + _AT_ONCE, count))
            ]
            await container.job_authoring().apply(
                DEFAULT_TENANT,
                [read_job(document) for document in documents],
                source=JobSource.STORED,
                owner=None,
                actor="tests:proof",
            )
    due_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=_BEGINS_WITHIN_S)
    await world.fetch(
        "UPDATE job SET anchor = $1::timestamptz - interval '1 day', next_slot = $1, next_fire_at = $1",
        due_at,
    )
    return due_at


async def _are_over(world: World, count: int) -> bool:
    (row,) = await world.fetch(_OVER)
    return bool(row["over"] >= count)


def _processor_s(pid: int) -> float:
    """What a process has used of a processor so far, its own time and the system's (proc(5))."""
    times = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[11:13]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
