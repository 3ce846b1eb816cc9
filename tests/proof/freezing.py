"""Processes stopped in the middle of their work, that wake when others have taken it over."""

import asyncio
import signal
from collections import Counter

from tests.proof.aftermath import aftermath
from tests.proof.figures import Figures, Progress
from tests.proof.roles import WORKERS
from tests.proof.servers import Servers
from tests.proof.traps import Trap
from tests.proof.working import working
from tests.proof.world import World

TIMES = 60
RATE_PER_S = 25.0
# Longer than every lease here (roles.py), shorter than what ends the session of whoever holds the relay's turn.
_ASLEEP_S = 3.0
_REACHED_WITHIN_S = 3.0
_POINTS = {
    "cron": ("sweep.*", "execution.finish.*", "execution.beat.*", "slot.claim.*", "sync_*"),
    "relay": ("relay.*", "republish.*"),
    "notifications": ("subscriber.*", "notification.*"),
    "statistics": ("subscriber.*", "counting.*", "counters.*"),
}


async def frozen(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """60 times at scale 1: a process stops at a crash point while a second of its role works, and wakes after its leases."""
    times = max(len(WORKERS), round(TIMES * rounds_scale))
    figures, points = Figures(seed), Counter[str]()
    async with World(servers, seed) as world, working(world, rate_per_s=RATE_PER_S) as load:
        for number in range(0, times, len(WORKERS)):
            slept = await asyncio.gather(*(_sleep(world, role) for role in WORKERS))
            points.update(point for point in slept if point is not None)
            progress(f"{points.total()} of {times} woken late, {number + len(WORKERS)} tried")
        # While one slept, another may have sent again whatever it was sending.
        repeated = points.total() * world.settings.worker.concurrency
        quiet_s, violations = await aftermath(world, load, repeated=repeated)
        (row,) = await world.fetch(
            "SELECT count(*) AS refused FROM audit WHERE action = 'execution.end_refused'"
        )
        figures.add(
            "processes frozen in the middle and woken late", points.total(), "> 0", points.total() > 0
        )
        figures.add("different places", len(points))
        figures.add("late ends of executions that were refused", row["refused"])
        figures.add("seconds to quiet", quiet_s)
        figures.none_of("violations, statistics among them", violations)
    return figures


async def _sleep(world: World, role: str) -> str | None:
    """Where a process of the role slept; None when it did not come by there."""
    trap = Trap(world.rng.choice(_POINTS[role]), world.rng.choice((1, 1, 2, 3)), "freeze")
    sleeper = await world.start(role, trap)
    if await sleeper.sprung(_REACHED_WITHIN_S):
        await asyncio.sleep(_ASLEEP_S)
        sleeper.signal(signal.SIGCONT)
        await asyncio.sleep(world.rng.uniform(0.1, 0.5))
    sleeper.signal(signal.SIGTERM)
    while sleeper.alive:
        # It may come by the point only now, on its way out.
        sleeper.signal(signal.SIGCONT)
        await asyncio.sleep(0.1)
    return sleeper.sprung_at
