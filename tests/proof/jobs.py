"""Clocks and workers of the jobs killed and frozen, again and again, while jobs fire each second."""

import asyncio
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from qs.application.scheduler.builtins import BuiltinContext
from qs.application.scheduler.job_documents import read_job
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.interface.jobs.hello import HelloJob
from tests.proof.bugs_of_jobs import BUGS_OF_JOBS
from tests.proof.figures import Figures, Progress
from tests.proof.laws import runs
from tests.proof.patching import replace
from tests.proof.servers import Servers
from tests.proof.traps import Trap
from tests.proof.world import World
from tests.support.waiting import eventually

ROUNDS = 300
MOST_ROUNDS = 100
_LOOK_EVERY = 5
ROLES = ("ticker", "executions")
WORKING_JOBS = "working-jobs"
"""The change to the product with which `hello_job` takes a while, and fails when it is asked to."""
_SIDE_BY_SIDE = 2
_QUIET_WITHIN_S = 120.0
_LONGEST_LIFE_S = 0.25
# Longer than the leases here (roles.py).
_ASLEEP_S = 2.5
_AT_A_POINT = 0.5
_FROZEN = 0.05
_POINTS = {
    "ticker": ("job.fire.*", "job.fire_at.*", "run.take_over.*", "run.expire.*", "run.attend.*"),
    "executions": ("run.*",),
}
_OVERLAPS: tuple[Any, ...] = (
    "skip",
    "queue_one",
    {"policy": "queue_all", "max": 3},
    "replace",
    {"policy": "allow", "max": 2},
)


def working_jobs() -> None:
    """`hello_job` works as long as its payload says, and fails at the attempts that it names."""

    async def execute(self: HelloJob, context: BuiltinContext, payload: Mapping[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(payload["ms"] / 1000)
        if context.attempt in payload["fails"]:
            raise RuntimeError("as it was asked to")
        return {"attempt": context.attempt}

    replace(HelloJob, "execute", execute)


@dataclass
class Course:
    """What was done and seen."""

    killed: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    frozen: int = 0


async def jobs(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """300 rounds at scale 1 (500 kills): each kills or freezes a clock or a worker of the jobs, at a point or anywhere."""
    figures = Figures(seed)
    rounds = max(10, round(ROUNDS * rounds_scale))
    async with World(servers, seed, bug=WORKING_JOBS) as world:
        ids = await seed_jobs(world)
        course = await rounds_of(world, rounds, progress)
        await stop_firing(world, ids)
        await eventually(lambda: _nothing_active(world), _QUIET_WITHIN_S)
        figures.add("rounds", rounds)
        figures.add("kills", course.killed.total())
        figures.add("of them at a crash point", course.points.total())
        figures.add("different crash points", len(course.points))
        figures.add("processes frozen past their lease", course.frozen)
        (row,) = await world.fetch(
            "SELECT count(*) AS executions, count(*) FILTER (WHERE fired_by = 'clock' AND status <> 'missed') AS fired,"
            " count(*) FILTER (WHERE status = 'succeeded') AS succeeded, sum(lost_attempts) AS lost,"
            " count(*) FILTER (WHERE status = 'missed') AS missed FROM job_execution"
        )
        figures.add("slots fired", row["fired"], "> 0", row["fired"] > 0)
        figures.add("executions", row["executions"])
        figures.add("succeeded", row["succeeded"], "> 0", row["succeeded"] > 0)
        figures.add("attempts lost and made again", row["lost"])
        figures.add("slots missed and written down", row["missed"])
        (row,) = await world.fetch(
            "SELECT count(*) AS refused FROM audit WHERE action = 'execution.end_refused'"
        )
        figures.add("late ends that were refused", row["refused"])
        figures.add("slots between the first and the last that are nowhere", *await _holes(world))
        figures.none_of("violations", await violations(world))
    return figures


async def job_controls(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """Each deliberate bug about jobs, seen within a hundred rounds; two seeds each at scale 1."""
    figures = Figures(seed)
    for number in range(max(1, round(2 * rounds_scale))):
        for name in BUGS_OF_JOBS:
            caught = await rounds_until_seen(servers, seed + number, name)
            progress(f"{name}, seed {seed + number}: {caught}")
            figures.at_most(
                f"{name}, seed {seed + number}: rounds until I7 is broken", caught or 999, MOST_ROUNDS
            )
    return figures


async def rounds_until_seen(servers: Servers, seed: int, bug: str) -> int | None:
    """How many rounds it takes until the checker names what the bug breaks; None if a hundred are not enough."""
    async with World(servers, seed, bug=bug) as world:
        await seed_jobs(world)
        for done in range(_LOOK_EVERY, MOST_ROUNDS + 1, _LOOK_EVERY):
            # Who wakes after his lease is what an epoch is for.
            await rounds_of(world, _LOOK_EVERY, lambda told: None, frozen=0.5)
            if await violations(world, quiet=False):
                return done
    return None


async def seed_jobs(world: World, count: int = 20) -> list[UUID]:
    """Jobs each second with every overlap, some of which work longer than a second, fail, or start another."""
    ids = []
    async with world.container() as container:
        for number in range(count):
            document = {
                "name": f"job {number}",
                "type": "duration",
                "schedule": "1s",
                "target": {"builtin": "hello_job"},
                "payload": {
                    "ms": world.rng.choice((0, 5, 50, 300, 1500)),
                    "fails": [1] if number % 4 == 0 else [],
                },
                "overlap": _OVERLAPS[number % len(_OVERLAPS)],
                "retry": {"max_attempts": 2, "delay": "100ms"},
                "misfire": {
                    "policy": ("fire_once", "fire_all", "skip")[number % 3],
                    "grace": "1s",
                    "max_catchup": 5,
                },
            }
            job = await container.job_authoring().create(
                DEFAULT_TENANT, read_job(document), actor="tests:proof"
            )
            ids.append(job.id)
    return ids


async def rounds_of(world: World, rounds: int, progress: Progress, *, frozen: float = _FROZEN) -> Course:
    """Kills or, that often, freezes a process in each round; there are always two of each role, but for moments."""
    course = Course()
    for role in ROLES:
        while len(world.alive(role)) < _SIDE_BY_SIDE:
            await world.start(role)
    for number in range(rounds):
        role = world.rng.choice(ROLES)
        victim = None
        if world.rng.random() < _AT_A_POINT:
            trap = Trap(world.rng.choice(_POINTS[role]), world.rng.randint(1, 6))
            victim = await world.start(role, trap)
            if await victim.sprung(1.0):
                course.points[f"{role}:{victim.sprung_at}"] += 1
        await asyncio.sleep(world.rng.uniform(0, _LONGEST_LIFE_S))
        alive = world.alive(role)
        if world.rng.random() < frozen and len(alive) > 1:
            alive[0].signal(signal.SIGSTOP)
            await asyncio.sleep(_ASLEEP_S)
            alive[0].signal(signal.SIGCONT)
            course.frozen += 1
        elif alive:
            await world.rng.choice(alive).kill()
        while len(world.alive(role)) < _SIDE_BY_SIDE:
            await world.start(role)
        if (number + 1) % 25 == 0:
            progress(f"{number + 1} of {rounds} rounds")
    course.killed = world.family.killed
    return course


async def stop_firing(world: World, ids: list[UUID]) -> None:
    """No job fires any more; what was fired goes on."""
    async with world.container() as container:
        for job_id in ids:
            await container.job_authoring().enable(
                DEFAULT_TENANT, job_id, False, version=None, actor="tests:proof"
            )


async def violations(world: World, *, quiet: bool = True) -> list[str]:
    """What is broken about the jobs, in sentences."""
    found = await world.fetch(runs.statement(quiet=quiet))
    return [f"{row['invariant']}: {row['what']}" for row in found]


async def _holes(world: World) -> tuple[int, str, bool]:
    """Slots of the grid of which nothing tells, neither that they were fired nor that they were missed."""
    (row,) = await world.fetch(
        "SELECT coalesce(sum(span - told), 0)::int AS holes FROM (SELECT job_id,"
        " extract(epoch FROM max(scheduled_at) - min(scheduled_at))::bigint + 1 AS span, sum(stands_for) AS told"
        " FROM job_execution WHERE fired_by = 'clock' GROUP BY job_id) j"
    )
    return row["holes"], "0", row["holes"] == 0


async def _nothing_active(world: World) -> bool:
    (row,) = await world.fetch(
        "SELECT count(*) AS n FROM job_execution WHERE status IN ('queued', 'running', 'retrying')"
    )
    return bool(row["n"] == 0)
