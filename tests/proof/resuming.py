"""A sweep whose process is killed in the middle, and how long it takes until another has gone on with it."""

import asyncio
import time
from dataclasses import dataclass
from datetime import date, timedelta

import msgspec

from qs.settings import Settings
from tests.integration.plan.clinic import Clinic
from tests.proof.figures import Figures, Progress
from tests.proof.servers import Servers
from tests.proof.traps import Trap
from tests.proof.world import World
from tests.support.waiting import eventually

TIMES = 50
WANTED_S = 10.0
_WORLDS = 8
_PATIENCE_S = 60.0
_TASKS = 100
_POINTS = ("sweep.after_claim", "sweep.after_outbox", "sweep.batch.before_commit", "sweep.batch.after_commit")
# What `qs up` waits before it starts a program again that died.
_RESTARTED_AFTER_S = 0.5
# How long the victim is held at its point: up to a whole round of looking, so that the kill comes at any moment of it.
_HELD_AT_MOST_S = 5.0


@dataclass(frozen=True)
class Resumed:
    """One time: where the process died, who went on, and after how long everything that was due was opened."""

    point: str
    restarted: bool
    seconds: float


async def sweep_resumes_in(world: World, times: int, begin: int = 0) -> list[Resumed]:
    """Kills a cron process in the middle of a sweep, that many times, in a world with production's leases.

    Every other time a second process runs beside it, else it is started again as a supervisor does.
    """
    found = []
    async with world.container() as container:
        clinic = Clinic(container)
        plan = await clinic.plan(schedule_type="by_day", interval=1, total_times=1, trigger_time="00:00:00")
        for number in range(begin, begin + times):
            await clinic.enroll_many(plan, _TASKS, str(date.today() - timedelta(days=1)))  # noqa: DTZ011
            found.append(await _once(world, restarted=number % 2 == 1))
    return found


async def resumed_side_by_side(
    servers: Servers, seed: int, *, times: int, worlds: int, on_progress: Progress = lambda told: None
) -> list[Resumed]:
    """The same in several worlds at once, since most of the time is waiting."""
    shares = [times // worlds + (number < times % worlds) for number in range(worlds)]

    async def share(number: int) -> list[Resumed]:
        world = World(servers, seed + number, scaled=False, redis_db=number, change=_sweeping_at_every_look)
        async with world:
            found = await sweep_resumes_in(world, shares[number], begin=number)
        on_progress(f"{len(found)} sweeps of world {number + 1} of {worlds} resumed")
        return found

    return [each for own in await asyncio.gather(*map(share, range(worlds))) for each in own]


async def sweep_resumes(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """50 times at scale 1."""
    times = max(1, round(TIMES * rounds_scale))
    found = await resumed_side_by_side(
        servers, seed, times=times, worlds=min(_WORLDS, times), on_progress=progress
    )
    figures = Figures(seed)
    figures.add("sweeps killed in the middle", len(found))
    for restarted, who in ((True, "started again"), (False, "a second process")):
        seconds = sorted(each.seconds for each in found if each.restarted is restarted)
        if seconds:
            figures.add(f"resumed by {who}: median s", seconds[len(seconds) // 2])
            figures.at_most(f"resumed by {who}: worst s", seconds[-1], WANTED_S)
    in_time = sum(each.seconds <= WANTED_S for each in found)
    figures.add(f"resumed within {WANTED_S:g} s", in_time, f"{len(found)}", in_time == len(found))
    return figures


async def _once(world: World, *, restarted: bool) -> Resumed:
    await world.stop("cron")
    victim = await world.start("cron", Trap(world.rng.choice(_POINTS), action="hang"))
    assert await victim.sprung(_PATIENCE_S), "no sweep began"
    if not restarted:
        await world.start("cron")
    await asyncio.sleep(world.rng.uniform(0, _HELD_AT_MOST_S))
    assert await _due(world) > 0, "the sweep was not in the middle"
    began = time.monotonic()
    await victim.kill()
    if restarted:
        await asyncio.sleep(_RESTARTED_AFTER_S)
        await world.start("cron")
    await eventually(lambda: _nothing_due(world), _PATIENCE_S)
    assert victim.sprung_at is not None
    return Resumed(victim.sprung_at, restarted, time.monotonic() - began)


async def _due(world: World) -> int:
    return (await world.unfinished()).get("due to open", 0)


async def _nothing_due(world: World) -> bool:
    return await _due(world) == 0


def _sweeping_at_every_look(settings: Settings) -> Settings:
    # Cron looks every five seconds, so the next sweep of a minute's would be one of the twelve.
    return msgspec.structs.replace(
        settings, clock=msgspec.structs.replace(settings.clock, sweep_every=timedelta(seconds=5))
    )
