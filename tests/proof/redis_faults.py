"""Redis emptied, killed and away, beside killed workers: events and figures come through, and callers notice nothing."""

import asyncio
import time

from tests.proof.aftermath import aftermath
from tests.proof.figures import Figures, Progress
from tests.proof.servers import Servers
from tests.proof.working import working
from tests.proof.world import World

ROUNDS = 500
AWAY_S = 60.0
RATE_PER_S = 40.0
HEALED_WITHIN_S = 5.0
DRAINED_WITHIN_S = 30.0
_LONGEST_PAUSE_S = 0.1
_FOLLOWERS = ("relay", "notifications", "statistics")


async def mixed(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """500 faults at scale 1: half of them empty Redis, the others kill it or a process that follows events."""
    rounds = max(1, round(ROUNDS * rounds_scale))
    figures = Figures(seed)
    counts = dict.fromkeys(("emptied", "killed", "workers"), 0)
    async with World(servers, seed) as world, working(world, rate_per_s=RATE_PER_S) as load:
        for number in range(1, rounds + 1):
            counts[await _fault(world)] += 1
            await asyncio.sleep(world.rng.uniform(0, _LONGEST_PAUSE_S))
            if number % 25 == 0:
                progress(f"{number} of {rounds} faults")
        # The last fault meets whatever is under way.
        await servers.flush_redis()
        healed_s, violations = await aftermath(world, load)
        figures.add("times Redis was emptied", counts["emptied"] + 1)
        figures.add("times it was killed and came back without data", counts["killed"])
        figures.add("workers killed", counts["workers"])
        await _count(world, figures)
        figures.at_most("seconds from the last fault until all was acted on", healed_s, HEALED_WITHIN_S)
        figures.none_of("violations, statistics among them", violations)
    return figures


async def away(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """Redis is away for a minute at scale 1."""
    away_s = max(2.0, AWAY_S * rounds_scale)
    figures = Figures(seed)
    async with World(servers, seed) as world, working(world, rate_per_s=RATE_PER_S) as load:
        await asyncio.sleep(1.0)
        await servers.kill_redis()
        began = time.monotonic()
        opened_before = await _opened(world)
        while (passed := time.monotonic() - began) < away_s:
            await asyncio.sleep(min(5.0, away_s - passed))
            progress(f"away for {time.monotonic() - began:.0f} of {away_s:.0f} s")
        opened = await _opened(world) - opened_before
        await servers.start_redis()
        drained_s, violations = await aftermath(world, load)
        failed = [f"{each.kind} was answered with {each.status}" for each in world.journal.server_errors()]
        figures.add("seconds Redis was away", away_s)
        figures.add("tasks opened meanwhile", opened, "> 0", opened > 0)
        await _count(world, figures)
        figures.none_of("calls answered with 5xx", failed)
        figures.at_most("seconds from its return until all was acted on", drained_s, DRAINED_WITHIN_S)
        figures.none_of("violations, statistics among them", violations)
    return figures


async def _fault(world: World) -> str:
    drawn = world.rng.random()
    if drawn < 0.5:
        await world.servers.flush_redis()
        return "emptied"
    if drawn < 0.65:
        await world.servers.kill_redis()
        await asyncio.sleep(world.rng.uniform(0, _LONGEST_PAUSE_S))
        await world.servers.start_redis()
        return "killed"
    role = world.rng.choice(_FOLLOWERS)
    await world.kill(role)
    await world.start(role)
    return "workers"


async def _opened(world: World) -> int:
    (row,) = await world.fetch("SELECT count(*) AS opened FROM task WHERE opened_at IS NOT NULL")
    return int(row["opened"])


async def _count(world: World, figures: Figures) -> None:
    (row,) = await world.fetch(
        "SELECT (SELECT count(*) FROM outbox) AS events,"
        " (SELECT count(*) FROM inbox WHERE state = 'dead') AS dead"
    )
    figures.add("requests", len(world.journal.writes) + len(world.journal.reads))
    figures.add("events", row["events"])
    figures.add("dead letters", row["dead"], "0", row["dead"] == 0)
