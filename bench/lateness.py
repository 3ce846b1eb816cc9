"""How late work begins when many jobs are due at every full minute: ours and other durable schedulers, one after the other."""

import asyncio
import math
import os
import secrets
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from bench import stored_jobs
from bench.processes import running
from bench.rivals import recording
from bench.venvs import installed, python_with
from bench.world import World

OURS = "ours"
# Of ours, in milliseconds and executions.
_MOST = {"p50_ms": 50.0, "p99_ms": 150.0, "missed": 0.0, "doubled": 0.0}
_MINUTE_S = 60
# What a scheduler has to start in before the minute that warms it up, and how long what is late is waited for.
_START_S = 20.0
_LATEST_S = 50.0
_LOOK_EVERY_S = 1.0
# A second execution of the same slot may come after the first of all the others.
_DOUBLES_S = 3.0
# When the clock read what was due, and when a worker had claimed the execution, in milliseconds after the slot.
_STEPS = """
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY 1000 * extract(epoch FROM available_at - scheduled_at)) AS looked,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY 1000 * extract(epoch FROM started_at - scheduled_at)) AS claimed
FROM job_execution WHERE fired_by = 'clock' AND scheduled_at > (SELECT min(scheduled_at) FROM job_execution)"""


@dataclass(frozen=True, slots=True)
class Rival:
    """Another scheduler: what its environment holds, and the processes of its module, by their arguments."""

    module: str
    requirements: Sequence[str]
    processes: Sequence[Sequence[str]]
    settings: str


RIVALS: Mapping[str, Rival] = {
    "APScheduler": Rival(
        "apscheduler_store",
        ("apscheduler==3.11.3", "sqlalchemy==2.1.9", "psycopg[binary]==3.3.9"),
        ((),),
        "SQLAlchemy job store on PostgreSQL, 20 threads, misfire_grace_time None",
    ),
    "arq cron": Rival(
        "arq_cron",
        ("arq==0.28.0", "redis[hiredis]==5.3.1"),
        ((),),
        "due at microsecond 0, max_jobs as many as there are jobs, poll_delay as it is by default",
    ),
    "Celery beat": Rival(
        "celery_beat",
        ("celery[redis]==5.7.0",),
        (("worker",), ("beat",)),
        "Redis broker, acks late, a prefork worker with a process for each core",
    ),
    "procrastinate": Rival(
        "procrastinate_periodic",
        ("procrastinate==3.10.0", "psycopg[binary,pool]==3.3.9"),
        ((),),
        "PostgreSQL with notifications, 30 at once, 20 connections",
    ),
}


@dataclass(slots=True)
class Punctuality:
    """What became of the measured slots of one scheduler. ``late_ms`` are those of the executions that came first, sorted."""

    expected: int
    late_ms: Sequence[float]
    doubled: int
    load: float
    settings: str
    versions: Sequence[str] = ()

    @property
    def figures(self) -> dict[str, float]:
        fired = len(self.late_ms)
        counts: dict[str, float] = {
            "expected": self.expected,
            "fired": fired,
            "missed": self.expected - fired,
            "doubled": self.doubled,
        }
        if not fired:
            return counts
        return counts | {
            "p50_ms": round(statistics.median(self.late_ms), 1),
            "p99_ms": round(self.late_ms[math.ceil(fired * 0.99) - 1], 1),
            "max_ms": round(self.late_ms[-1], 1),
        }


@dataclass(slots=True)
class Lateness:
    """The figures of each scheduler; goals are held against ours."""

    jobs: int
    minutes: int
    subjects: Mapping[str, Punctuality]
    notes: Mapping[str, Any] = field(default_factory=dict)

    def goals(self) -> list[dict[str, Any]]:
        if OURS not in self.subjects:
            return []
        figures = self.subjects[OURS].figures
        return [
            {
                "subject": OURS,
                "figure": name,
                "most": most,
                "value": figures.get(name),
                "reached": figures.get(name, math.inf) <= most,
            }
            for name, most in _MOST.items()
        ]

    def lines(self) -> list[str]:
        shown = [f"lateness (ms, {self.jobs:,} jobs at each of {self.minutes} full minutes)"]
        for name, subject in self.subjects.items():
            figures = subject.figures
            spread = " ".join(
                f"{key[:-3]} {figures.get(key, math.nan):,.0f}" for key in ("p50_ms", "p99_ms", "max_ms")
            )
            counts = ", ".join(f"{figures[key]:,.0f} {key}" for key in ("fired", "missed", "doubled"))
            shown.append(f"  {name:<26} {spread:<34} {counts}; load {subject.load:.1f}")
        for goal in self.goals():
            value = "none" if goal["value"] is None else f"{goal['value']:,.0f}"
            reached = "reached" if goal["reached"] else "MISSED"
            wanted = f"wanted at most {goal['most']:,.0f}: {reached}"
            shown.append(f"  {goal['subject'] + ', ' + goal['figure']:<26} {value:<34} {wanted}")
        return shown + [f"  {name}: {value}" for name, value in self.notes.items()]

    def document(self) -> dict[str, Any]:
        return {
            "case": "lateness",
            "unit": "ms",
            "jobs": self.jobs,
            "minutes": self.minutes,
            "subjects": {
                name: {
                    **subject.figures,
                    "load": subject.load,
                    "settings": subject.settings,
                    "versions": list(subject.versions),
                }
                for name, subject in self.subjects.items()
            },
            "goals": self.goals(),
            "notes": dict(self.notes),
        }


async def punctuality(world: World, subjects: Sequence[str], jobs: int, minutes: int, kept: Path) -> Lateness:
    """Has each scheduler fire ``jobs`` jobs at ``minutes`` full minutes, after one that does not count.

    ``kept`` is where the environments of the others are.

    Raises:
        RuntimeError: one of its processes ended by itself.
        PeerAbsent: one of the others could not be installed.
    """
    pythons = {name: await python_with(RIVALS[name].requirements, kept) for name in subjects if name != OURS}
    measured: dict[str, Punctuality] = {}
    notes: dict[str, Any] = {}
    for name in subjects:
        record = world.home / f"record-{len(measured)}"
        told = {recording.RECORD: str(record), recording.JOBS: str(jobs)}
        if name == OURS:
            settings, versions = f"QS_WORKER__CONCURRENCY={_concurrency(jobs)}", []
            scheduler = _ours(world, told, jobs)
        else:
            settings, versions = RIVALS[name].settings, await installed(pythons[name])
            scheduler = _rival(world, told, RIVALS[name], pythons[name])
        async with scheduler:
            print(f"  lateness: {name}", file=sys.stderr, flush=True)
            late_ms, doubled = await _observed(record, jobs, minutes)
        if name == OURS:
            notes["of ours, ms from the slot in the middle"] = await _steps(world)
        load = round(os.getloadavg()[0], 2)
        measured[name] = Punctuality(jobs * minutes, late_ms, doubled, load, settings, versions)
        print(
            "\n".join(Lateness(jobs, minutes, {name: measured[name]}).lines()[1:2]),
            file=sys.stderr,
            flush=True,
        )
    return Lateness(jobs, minutes, measured, notes)


async def _steps(world: World) -> dict[str, float]:
    row = await world.admin.fetchrow(_STEPS)
    return {name: round(float(each), 1) for name, each in dict(row or {}).items() if each is not None}


@asynccontextmanager
async def _ours(world: World, told: Mapping[str, str], jobs: int) -> AsyncIterator[None]:
    """The two roles in a process each, as many executions at once as there are jobs."""
    slot = datetime.fromtimestamp((time.time() // _MINUTE_S + 1) * _MINUTE_S, UTC)
    await stored_jobs.store(world.admin, ((_document(number), slot) for number in range(jobs)))
    environment = {**world.environment(), **told, "QS_WORKER__CONCURRENCY": str(_concurrency(jobs))}
    async with AsyncExitStack() as stack:
        for role in ("executions", "ticker"):
            command = [sys.executable, "-m", "bench.recording_worker", role]
            await stack.enter_async_context(running(command, environment, log=world.home / f"{role}.log"))
        yield


def _concurrency(jobs: int) -> int:
    return min(max(jobs, 10), 1000)


def _document(number: int) -> dict[str, Any]:
    return {
        "name": f"job {number}",
        "type": "cron",
        "schedule": "* * * * *",
        "timezone": "UTC",
        "target": {"builtin": {"name": "record"}},
        "payload": {"number": number},
    }


@asynccontextmanager
async def _rival(world: World, told: Mapping[str, str], rival: Rival, python: Path) -> AsyncIterator[None]:
    """Its processes, on an empty database of its own and an empty Redis."""
    await world.container.redis().flushdb()
    database = f"qs_bench_rival_{secrets.token_hex(4)}"
    await world.admin.execute(f"CREATE DATABASE {database}")
    scratch = world.home / database
    scratch.mkdir()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("QS_", "PYTHON"))
    }
    environment |= {
        **told,
        recording.DATABASE_URL: urlunsplit(urlsplit(world.dsn)._replace(path=f"/{database}")),
        recording.REDIS_URL: world.redis_url,
        recording.SCRATCH: str(scratch),
    }
    try:
        async with AsyncExitStack() as stack:
            for arguments in rival.processes:
                command = [str(python), "-m", f"bench.rivals.{rival.module}", *arguments]
                log = world.home / f"{rival.module}.log"
                await stack.enter_async_context(running(command, environment, log=log))
            yield
    finally:
        await world.admin.execute(f"DROP DATABASE {database} WITH (FORCE)")


async def _observed(record: Path, jobs: int, minutes: int) -> tuple[list[float], int]:
    """How late each slot's first execution was, in milliseconds, sorted, and how many came beside a first one."""
    warm_up = math.ceil((time.time() + _START_S) / _MINUTE_S) * _MINUTE_S
    first, last = warm_up + _MINUTE_S, warm_up + minutes * _MINUTE_S
    await _until(lambda: time.time() > last)
    await _until(lambda: len(_begun(record, first, last)) >= jobs * minutes or time.time() > last + _LATEST_S)
    await asyncio.sleep(_DOUBLES_S)
    begun = _begun(record, first, last)
    late_ms = sorted((min(instants) - slot) * 1000 for (_, slot), instants in begun.items())
    executions = Counter({key: len(instants) for key, instants in begun.items()})
    return late_ms, executions.total() - len(begun)


async def _until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(_LOOK_EVERY_S)


def _begun(record: Path, first: int, last: int) -> dict[tuple[int, int], list[float]]:
    """The instants by job and slot, both ends included, in seconds since 1970."""
    found: dict[tuple[int, int], list[float]] = {}
    if not record.exists():
        return found
    for line in record.read_text(encoding="ascii").splitlines():
        job, slot, instant = line.split()
        if first <= int(slot) <= last:
            found.setdefault((int(job), int(slot)), []).append(float(instant))
    return found
