"""Redis emptied, killed and away, beside killed workers: events and figures come through, and callers notice nothing."""

import asyncio
import random
import time
from typing import Any
from uuid import UUID

from qs.application.statistics.ports import Kind
from qs.container import Container
from tests.proof.figures import Figures, Progress
from tests.proof.invariants import violations
from tests.proof.load import Load
from tests.proof.roles import ROLES
from tests.proof.servers import Servers
from tests.proof.world import World
from tests.support.waiting import eventually

ROUNDS = 500
AWAY_S = 60.0
RATE_PER_S = 40.0
HEALED_WITHIN_S = 5.0
DRAINED_WITHIN_S = 30.0
_PATIENCE_S = 120.0
_LONGEST_PAUSE_S = 0.1
_FOLLOWERS = ("relay", "notifications", "statistics")


async def mixed(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """500 faults at scale 1: half of them empty Redis, the others kill it or a process that follows events."""
    rounds = max(1, round(ROUNDS * rounds_scale))
    figures = Figures(seed)
    counts = dict.fromkeys(("emptied", "killed", "workers"), 0)
    async with World(servers, seed) as world:
        async with _working(world) as load:
            for number in range(1, rounds + 1):
                counts[await _fault(world)] += 1
                await asyncio.sleep(world.rng.uniform(0, _LONGEST_PAUSE_S))
                if number % 25 == 0:
                    progress(f"{number} of {rounds} faults")
            await load.stop()
            # The last fault meets whatever is still under way, and nobody adds to it.
            await servers.flush_redis()
            healed_s = await world.quiet(_PATIENCE_S)
        await world.quiet(_PATIENCE_S)
        figures.add("times Redis was emptied", counts["emptied"] + 1)
        figures.add("times it was killed and came back without data", counts["killed"])
        figures.add("workers killed", counts["workers"])
        await _count(world, figures)
        figures.at_most("seconds from the last fault until all was acted on", healed_s, HEALED_WITHIN_S)
        figures.none_of("violations, statistics among them", await checked_with_figures(world))
    return figures


async def away(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """Redis is away for a minute at scale 1."""
    away_s = max(2.0, AWAY_S * rounds_scale)
    figures = Figures(seed)
    async with World(servers, seed) as world:
        async with _working(world) as load:
            await asyncio.sleep(1.0)
            await servers.kill_redis()
            began = time.monotonic()
            opened_before = await _opened(world)
            while (passed := time.monotonic() - began) < away_s:
                await asyncio.sleep(min(5.0, away_s - passed))
                progress(f"away for {time.monotonic() - began:.0f} of {away_s:.0f} s")
            opened = await _opened(world) - opened_before
            await load.stop()
            await servers.start_redis()
            drained_s = await world.quiet(_PATIENCE_S)
        await world.quiet(_PATIENCE_S)
        failed = [f"{each.kind} was answered with {each.status}" for each in world.journal.server_errors()]
        figures.add("seconds Redis was away", away_s)
        figures.add("tasks opened meanwhile", opened, "> 0", opened > 0)
        await _count(world, figures)
        figures.none_of("calls answered with 5xx", failed)
        figures.at_most("seconds from its return until all was acted on", drained_s, DRAINED_WITHIN_S)
        figures.none_of("violations, statistics among them", await checked_with_figures(world))
    return figures


async def checked_with_figures(world: World, asleep: int = 0) -> list[str]:
    """The violations after a sync of every kind, so that statistics are compared with a recount as well.

    ``asleep`` is how often a process slept so long that another did its work too.
    """
    async with world.container() as container:
        await eventually(lambda: _counted_again(container), _PATIENCE_S)
        for tenant_id in await container.counted_tenants().epochs():
            for kind in (Kind.DAILY, Kind.ACCUMULATED, Kind.PLAN):
                await _whole(container, kind, tenant_id)
    return await violations(
        world.database_url,
        journal=world.journal,
        arrivals=world.webhooks.arrivals,
        # Whoever stops for good or for long may have been in the middle of as many sends as go out at once.
        kills=(world.kills + asleep) * world.settings.worker.concurrency,
        synced=True,
        redis_url=str(world.settings.redis.url),
    )


async def _counted_again(container: Container) -> bool:
    mending = container.counter_mending()
    return all([await mending.good(tenant_id) for tenant_id in await container.counted_tenants().epochs()])


async def _whole(container: Container, kind: Kind, tenant_id: UUID) -> None:
    """A sync of that kind that began after now; one of the workers' own may be under way."""
    deadline = time.monotonic() + _PATIENCE_S
    while (await container.statistics_syncing().sync(kind, tenant_id))["status"] == "already_running":
        assert time.monotonic() < deadline, f"the {kind} sync was always under way"
        await asyncio.sleep(0.1)


def _working(world: World) -> "_Working":
    return _Working(world)


class _Working:
    """All roles run and clients call; left in order."""

    def __init__(self, world: World) -> None:
        self._world = world
        rng = random.Random(world.rng.random())
        self._load = Load(world.base_url, world.tokens, world.journal, rng, rate_per_s=RATE_PER_S)

    async def __aenter__(self) -> Load:
        for role in ROLES:
            await self._world.start(role)
        load = await self._load.__aenter__()
        await load.seed()
        return load

    async def __aexit__(self, *error: Any) -> None:
        await self._load.__aexit__(*error)


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
