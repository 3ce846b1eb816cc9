"""`python -m tests.proof.soak --minutes 60`: the whole system under steady load and faults, and whether it stays as it is.

Of every role there are two processes. One of them is killed now and then, as are Redis and PostgreSQL; the other is
spared, so that what it holds can be followed from the beginning to the end.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

import uvloop

from qs.application.webhook.recording import _FULL
from tests.proof.__main__ import _stoppable, _tell
from tests.proof.aftermath import aftermath
from tests.proof.children import Child
from tests.proof.figures import Figures, Progress
from tests.proof.hostile import Listening, failing_half, listening
from tests.proof.jobs import WORKING_JOBS, seed_jobs, stop_firing
from tests.proof.jobs import violations as job_violations
from tests.proof.laws import calls
from tests.proof.postgres_faults import _restart
from tests.proof.roles import OF_JOBS, ROLES
from tests.proof.servers import Servers
from tests.proof.soaking import Drift, Sample, Watch
from tests.proof.working import working
from tests.proof.world import World
from tests.support.waiting import eventually

RATE_PER_S = 20.0
MOST_DRIFT = 5.0
"""Percent of the memory of a process that lived through."""
JUDGED_FROM_MINUTES = 10.0
"""In less than that, pools still fill and what is held once and for all still comes in."""
_ALL_ROLES = (*ROLES, *OF_JOBS)
_JOBS = 6
_LOOKS = 60
_SELDOMEST_LOOK_S = 10.0
_DUTIES_EVERY = timedelta(seconds=30)
# A descriptor or a connection more or less is what is under way at that moment. How many calls are in the air follows
# from the backlog, so that only what is still open when there is none was forgotten.
_FEW = 8
_BETWEEN_S = (2.0, 8.0)
_A_DAY_EVERY_S = 120.0
_AWAY_S = 1.0
_ENDED_WITHIN_S = 180.0
_HOWS = ("fast", "immediate", "killed")


@dataclass
class Course:
    """The spared process of each role, the one that may be killed, and what was done."""

    world: World
    spared: dict[str, Child] = field(default_factory=dict)
    victims: dict[str, Child] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)

    async def staff(self) -> None:
        for role in _ALL_ROLES:
            self.spared[role] = await self.world.start(role)
            self.victims[role] = await self.world.start(role)

    async def kill(self) -> None:
        role = self.world.rng.choice(_ALL_ROLES)
        await self.victims[role].kill()
        self.victims[role] = await self.world.start(role)

    async def empty_redis(self) -> None:
        await self.world.servers.flush_redis()

    async def restart_redis(self) -> None:
        await self.world.servers.kill_redis()
        await asyncio.sleep(self.world.rng.uniform(0, _AWAY_S))
        await self.world.servers.start_redis()

    async def restart_postgres(self) -> None:
        await _restart(self.world, self.world.rng.choice(_HOWS))


_KILL = "processes killed"
_EMPTY, _REDIS, _POSTGRES = "times Redis was emptied", "restarts of Redis", "restarts of PostgreSQL"
_FAULTS: Mapping[str, tuple[int, Callable[[Course], Awaitable[None]]]] = {
    _KILL: (20, Course.kill),
    _EMPTY: (3, Course.empty_redis),
    _REDIS: (2, Course.restart_redis),
    _POSTGRES: (1, Course.restart_postgres),
}
"""What goes wrong, and how often beside the others; each once before any of them comes again."""


async def soak(
    servers: Servers,
    seed: int,
    minutes: float,
    progress: Progress,
    watched: Callable[[Watch], None] = lambda watch: None,
    rate_per_s: float = RATE_PER_S,
) -> Figures:
    """So many minutes of load and faults, then quiet; ``watched`` is given, at the beginning, what will hold all samples.

    Half of the receivers refuse every second message in every way there is; business time goes on a day every two minutes.
    """
    figures = Figures(seed)
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(
            World(servers, seed, bug=WORKING_JOBS, duties_every=_DUTIES_EVERY)
        )
        world.webhooks.choose = failing_half(random.Random(seed))
        heard = [
            *await listening(world, stack, failing_half(random.Random(seed + 1))),
            *await listening(world, stack, None),
        ]
        course = Course(world)
        await course.staff()
        jobs = await seed_jobs(world, _JOBS)
        async with working(world, rate_per_s=rate_per_s, settings=world.settings) as load:
            watch = Watch(world, course.spared, min(_SELDOMEST_LOOK_S, minutes * 60 / _LOOKS))
            watched(watch)
            looking = asyncio.create_task(watch.look_on(), name="watch")
            try:
                await _go_through(course, minutes * 60, progress, partial(load.advance, timedelta(days=1)))
            finally:
                looking.cancel()
                (ended,) = await asyncio.gather(looking, return_exceptions=True)
            if isinstance(ended, Exception):
                raise ended
            await stop_firing(world, jobs)
            interrupted = course.done[_POSTGRES] * world.settings.worker.concurrency * 2
            after = await aftermath(world, load, repeated=interrupted)
            await eventually(lambda: _jobs_ended(world), _ENDED_WITHIN_S)
            await watch.look_at_rest()
        found = [*after.violations, *await job_violations(world), *await _endpoints(world, course, heard)]
        _tell_of(figures, world, course, minutes)
        figures.add("requests a second wanted", rate_per_s)
        judge(figures, watch, list(course.spared), minutes)
        figures.add("seconds from the end of the load until nothing was left to do", after.quiet_s)
        left = [f"{count} {what}" for what, count in (await world.unfinished()).items()]
        figures.none_of("backlog", left)
        figures.none_of("lost, doubled or otherwise wrong", found)
    return figures


async def _go_through(
    course: Course, seconds: float, progress: Progress, next_day: Callable[[], Awaitable[object]]
) -> None:
    rng, began, day = course.world.rng, time.monotonic(), 0.0
    names = list(_FAULTS)
    weights = [weight for weight, _ in _FAULTS.values()]
    waiting = rng.sample(names, len(names))
    while (passed := time.monotonic() - began) < seconds:
        await asyncio.sleep(min(rng.uniform(*_BETWEEN_S), seconds - passed))
        (name,) = [waiting.pop()] if waiting else rng.choices(names, weights)
        await _FAULTS[name][1](course)
        course.done[name] += 1
        if passed - day > _A_DAY_EVERY_S:
            day = passed
            await next_day()
        if course.done.total() % 10 == 0:
            progress(f"{passed / 60:.1f} of {seconds / 60:g} minutes, {course.done.total()} faults")


def _tell_of(figures: Figures, world: World, course: Course, minutes: float) -> None:
    journal = world.journal
    figures.add("minutes", minutes)
    for name in _FAULTS:
        figures.add(name, course.done[name])
    figures.add("requests", len(journal.writes) + len(journal.reads))
    figures.add("messages", len(world.webhooks.message_ids))
    # What is answered with 5xx while PostgreSQL is away is the 503 of reliability.md; every other one is a bug.
    others = [
        f"{each.kind} was answered with {each.status}"
        for each in journal.server_errors()
        if each.status != 503
    ]
    figures.none_of("answers with another 5xx than 503", others)
    gone = [f"the spared {role} has died" for role, child in course.spared.items() if not child.alive]
    figures.none_of("spared processes that died", gone)


def judge(figures: Figures, watch: Watch, roles: Sequence[str], minutes: float) -> None:
    """What became of the spared processes of these roles, of the servers and of the tables."""
    judged = minutes >= JUDGED_FROM_MINUTES
    figures.add("looks", len(watch.samples))
    for role in roles:
        drift = watch.drift(lambda sample, role=role: _of(sample, role, "rss"))  # type: ignore[misc]
        figures.add(f"{role}: MiB, early", drift.early)
        mapped = watch.drift(lambda sample, role=role: _of(sample, role, "mapped"))  # type: ignore[misc]
        figures.add(
            f"{role}: MiB of them that are files, early and late", f"{mapped.early:,.1f} {mapped.late:,.1f}"
        )
        wanted = f"≤ {MOST_DRIFT:g}" if judged else ""
        holds = not judged or drift.percent <= MOST_DRIFT
        figures.add(f"{role}: MiB, drift in percent", drift.percent, wanted, holds)
        for what in ("descriptors", "threads"):
            drift = watch.drift(lambda sample, role=role, what=what: _of(sample, role, what))  # type: ignore[misc]
            left = _of(watch.at_rest, role, what) if watch.at_rest is not None else None
            _flat(figures, f"{role}: {what}", drift, left, judged=judged)
    connections = watch.drift(lambda sample: sample.connections)
    left = None if watch.at_rest is None else watch.at_rest.connections
    _connected(figures, connections, left, judged=judged)
    for what, figure in (
        ("Redis: MiB", lambda sample: sample.redis_mib),
        ("Redis: keys", lambda sample: sample.redis_keys),
        ("backlog under load", lambda sample: sample.backlog),
        ("processors of the machine: percent busy", lambda sample: sample.busy),
    ):
        drift = watch.drift(figure)
        figures.add(f"{what}, early and late", f"{drift.early:,.1f} {drift.late:,.1f}")
    first = _tables(watch.samples)
    for name, size in _tables(watch.samples[::-1]).items():
        figures.add(f"{name}: MiB grown", (size - first.get(name, 0)) / 1024**2)


def _flat(figures: Figures, what: str, drift: Drift, at_rest: float | None, *, judged: bool) -> None:
    shown = "nothing" if at_rest is None else f"{at_rest:,.0f}"
    figures.add(
        f"{what}, early, late, at rest",
        f"{drift.early:,.0f} {drift.late:,.0f} {shown}",
        f"at rest at most {_FEW} more than early" if judged else "",
        not judged or (at_rest is not None and at_rest - drift.early <= _FEW),
    )


def _connected(figures: Figures, drift: Drift, at_rest: int | None, *, judged: bool) -> None:
    """Pools keep what they opened. Under load some have just begun, as their process or PostgreSQL was restarted, so that at
    rest, when all of them stand, there may be as many as at the fullest moment early on.
    """
    shown = "nothing" if at_rest is None else f"{at_rest:,}"
    figures.add(
        "connections of PostgreSQL: early, late, most early, at rest",
        f"{drift.early:,.0f} {drift.late:,.0f} {drift.most:,.0f} {shown}",
        f"late and at rest at most {_FEW} more than early and most" if judged else "",
        not judged or (at_rest is not None and drift.growth <= _FEW and at_rest - drift.most <= _FEW),
    )


def _of(sample: Sample, role: str, what: str) -> float | None:
    process = sample.processes.get(role)
    return None if process is None else float(getattr(process, what))


def _tables(samples: Sequence[Sample]) -> Mapping[str, int]:
    """Those of the first sample that has any."""
    return next((sample.tables for sample in samples if sample.tables), {})


async def _endpoints(world: World, course: Course, heard: Sequence[Listening]) -> list[str]:
    """What is wrong about the calls of webhook endpoints."""
    interrupted = world.family.killed["notifications"] + 2 * course.done[_POSTGRES]
    most_again = interrupted * (world.settings.webhooks.per_endpoint + _FULL)
    broken = await calls.broken(world.database_url)
    for each in heard:
        broken += await calls.broken_by_arrivals(
            world.database_url, str(each.endpoint_id), each.log.arrivals, most_again
        )
        broken += [f"I5: a call of endpoint {each.endpoint_id} is not signed" for _ in each.log.forged]
    return broken


async def _jobs_ended(world: World) -> bool:
    (row,) = await world.fetch(
        "SELECT count(*) AS n FROM job_execution WHERE status IN ('queued', 'running', 'retrying')"
    )
    return bool(row["n"] == 0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proof.soak", description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="of load and faults (default: %(default)s)"
    )
    parser.add_argument(
        "--rate", type=float, default=RATE_PER_S, help="requests a second (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, help="that of an earlier run, to make the same choices again")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where figures and samples are written as well"
    )
    options = parser.parse_args()
    # Whoever ends it, by SIGTERM as by Ctrl-C, finds nothing left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seed = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    print(f"soak (seed {seed})", file=sys.stderr, flush=True)
    watches: list[Watch] = []
    began = time.monotonic()
    with Servers() as servers:
        try:
            figures = uvloop.run(
                _stoppable(soak(servers, seed, options.minutes, _tell, watches.append, options.rate))
            )
        except Exception as error:  # noqa: BLE001 - what was seen until then is worth keeping
            traceback.print_exc()
            figures = Figures(seed, violations=[f"it broke: {type(error).__name__}: {error}"])
    figures.seconds = time.monotonic() - began
    print("\n".join(figures.lines("soak")))
    if options.json is not None:
        document = figures.to_json() | {"samples": [each for watch in watches for each in watch.document()]}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0 if figures.holds else 1


if __name__ == "__main__":
    sys.exit(main())
