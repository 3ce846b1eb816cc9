"""Every crash point that the roles pass: there they fail once, hang once and are killed once."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from tests.proof.aftermath import aftermath
from tests.proof.children import Child
from tests.proof.figures import Figures, Progress
from tests.proof.load import Load
from tests.proof.roles import ROLES
from tests.proof.servers import Servers
from tests.proof.traps import Trap
from tests.proof.world import World

RATE_PER_S = 60.0
_STARTS_WITHIN_S = 2.0
# Counters and streams are made again only when they are lost.
_FLUSH_EVERY_S = 3.0


@dataclass(frozen=True)
class Thoroughness:
    """``hang_s``: how long a task hangs at its point. A role is done when nothing new came for ``patience_s``.

    With ``everywhere`` each role dies at each point it passes; without, the API not at those of the duties, which
    the cron process passes too.
    """

    hang_s: float
    patience_s: float
    longest_s: float
    everywhere: bool


QUICK = Thoroughness(hang_s=0.2, patience_s=1.5, longest_s=12.0, everywhere=False)
# A task then hangs for longer than a handler may take.
FULL = Thoroughness(hang_s=1.3, patience_s=6.0, longest_s=45.0, everywhere=True)


@dataclass
class Outcome:
    """What happened at the crash points, by ``role:point``."""

    failed: set[str] = field(default_factory=set)
    hung: set[str] = field(default_factory=set)
    killed: set[str] = field(default_factory=set)
    passed: set[str] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)
    quiet_s: float = 0.0

    @property
    def not_killed(self) -> list[str]:
        return sorted(self.passed - self.killed)


async def at_every_point(
    world: World, how: Thoroughness, *, on_progress: Progress = lambda told: None
) -> Outcome:
    """Raises, hangs and kills at each point in turn while there is work for all, then waits for quiet and checks."""
    outcome = Outcome()
    choices = random.Random(world.rng.random())
    async with Load(
        world.base_url, world.tokens, world.journal, choices, rate_per_s=RATE_PER_S, settings=world.settings
    ) as load:
        await world.start("api")
        await load.seed()
        async with _redis_flushed_now_and_then(world):
            outcome.failed = await _once_each(world, how, Trap("*", action="raise", every=True))
            on_progress(f"failed at {len(outcome.failed)} points")
            await load.advance(timedelta(days=1))
            hanging = Trap("*", action="hang", hang_s=how.hang_s, every=True)
            outcome.hung = await _once_each(world, how, hanging)
            on_progress(f"hung at {len(outcome.hung)} points")
            await load.advance(timedelta(days=1))
            killed = await asyncio.gather(*(_kill_at_each(world, how, role) for role in ROLES))
            outcome.killed = set().union(*killed)
            on_progress(f"killed at {len(outcome.killed)} points")
        outcome.quiet_s, outcome.violations = await aftermath(world, load)
    outcome.passed = {f"{role}:{point}" for role, points in world.family.passed.items() for point in points}
    return outcome


async def points(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """Once each, whatever the scale."""
    async with World(servers, seed, duties_every=timedelta(seconds=1)) as world:
        outcome = await at_every_point(world, FULL, on_progress=progress)
    figures = Figures(seed)
    figures.add("crash points passed by a role", len(outcome.passed))
    figures.add("failed at", len(outcome.failed))
    figures.add("hung at", len(outcome.hung))
    figures.add("killed at", len(outcome.killed))
    figures.none_of("violations", outcome.violations)
    figures.add("seconds to quiet", outcome.quiet_s)
    return figures


async def _once_each(world: World, how: Thoroughness, trap: Trap) -> set[str]:
    """The points, by ``role:point``, at which the trap was sprung in one process of each role."""
    for role in ROLES:
        await world.kill(role)
    children = [await world.start(role, trap) for role in ROLES]
    deadline = time.monotonic() + how.longest_s
    sprung, newest = _sprung(children), time.monotonic()
    while time.monotonic() < min(deadline, newest + how.patience_s):
        await asyncio.sleep(0.05)
        if len(now := _sprung(children)) > len(sprung):
            sprung, newest = now, time.monotonic()
    return sprung


async def _kill_at_each(world: World, how: Thoroughness, role: str) -> set[str]:
    """The points, by ``role:point``; each process dies at the first point that none has died at before."""
    elsewhere = world.family.passed["cron"] if role == "api" and not how.everywhere else set()
    killed: set[str] = set()
    await world.kill(role)
    while True:
        child = await world.start(role, Trap("*", but=frozenset(killed | elsewhere)))
        await child.working(_STARTS_WITHIN_S)
        if not await child.sprung(2 * how.patience_s):
            break
        await child.wait()
        assert child.sprung_at is not None
        killed.add(child.sprung_at)
    await child.kill()
    await world.start(role)
    return {f"{role}:{point}" for point in killed}


@asynccontextmanager
async def _redis_flushed_now_and_then(world: World) -> AsyncIterator[None]:
    async def flush() -> None:
        while True:
            await asyncio.sleep(_FLUSH_EVERY_S)
            await world.servers.flush_redis()

    flushing = asyncio.create_task(flush())
    try:
        yield
    finally:
        flushing.cancel()
        await asyncio.wait({flushing})


def _sprung(children: Iterable[Child]) -> set[str]:
    return {f"{child.role}:{point}" for child in children for point in child.sprung_points}
