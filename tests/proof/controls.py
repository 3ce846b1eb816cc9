"""Whether the harness sees what it must: each deliberate bug within a hundred rounds, and nothing without one."""

import asyncio
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from qs.settings import Settings
from tests.proof.bugs import BUGS
from tests.proof.figures import Figures, Progress
from tests.proof.kills import kill_rounds
from tests.proof.patching import REACHED
from tests.proof.provoking import PROVOKED_BY, random_kill
from tests.proof.servers import Servers
from tests.proof.stage import Stage
from tests.proof.world import World

MOST_ROUNDS = 100
SEEDS = 5
_MOST_SEEDS = 10
# What is done in the first rounds provokes each bug by itself; should it not, chance helps.
_ALONE = 2


@dataclass(frozen=True)
class Caught:
    """How a bug was seen; ``rounds`` is None if it was not. The first sentence is of an invariant that it breaks."""

    rounds: int | None
    sentences: list[str]
    seconds: float


async def catch(servers: Servers, name: str, seed: int, most: int = MOST_ROUNDS) -> Caught:
    """Provokes the bug, round after round, until the checker names an invariant that it breaks."""
    began = time.monotonic()
    async with (
        World(servers, seed, bug=name, change=_quieter) as world,
        Stage(world, patient=False) as stage,
    ):
        rounds, found = await _rounds_until_broken(stage, name, most)
        assert REACHED in world.log.read_text(errors="replace"), (
            f"nothing that {name} changes was ever executed (seed {seed}), so whatever was found is not its doing"
        )
    return Caught(rounds, found, time.monotonic() - began)


async def _rounds_until_broken(stage: Stage, name: str, most: int) -> tuple[int | None, list[str]]:
    breaks = tuple(f"{invariant}:" for invariant in BUGS[name].breaks)
    found: list[str] = []
    for number in range(most):
        await _provoke(stage, name, number)
        found = sorted(await _violations(stage, name), key=lambda told: not told.startswith(breaks))
        if found and found[0].startswith(breaks):
            return number + 1, found
    return None, found


def _quieter(settings: Settings) -> Settings:
    """Messages go out over the webhook alone, so that a fault at a sender meets one whose receiver is watched."""
    notification = replace(settings.notification, channels=("webhook",))
    return replace(settings, notification=notification)


async def found_without(servers: Servers, names: Iterable[str], seed: int) -> list[str]:
    """What the same scenarios show of the product as it is, one after the other in one world."""
    async with World(servers, seed, change=_quieter) as world, Stage(world, patient=True) as stage:
        for name in names:
            await _provoke(stage, name, 0)
        # A clock finds the executions of the dead.
        await stage.staff("cron")
        await world.quiet()
        await world.sync()
        return await world.violations(synced=True)


async def _provoke(stage: Stage, name: str, number: int) -> None:
    if number < _ALONE:
        await PROVOKED_BY[name](stage, number)
    else:
        async with asyncio.TaskGroup() as group:
            group.create_task(random_kill(stage))
            group.create_task(PROVOKED_BY[name](stage, number))


async def _violations(stage: Stage, name: str) -> list[str]:
    counted = "I8" in BUGS[name].breaks
    if counted:
        await stage.world.sync()
    return await stage.world.violations(synced=counted)


async def controls(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """Each bug with five seeds at scale 1, and each scenario without it."""
    figures = Figures(seed)
    seeds = random.Random(seed)
    for name, bug in BUGS.items():
        times = min(_MOST_SEEDS, max(1, round(SEEDS * rounds_scale)))
        caught = [await catch(servers, name, seeds.randrange(1_000_000)) for _ in range(times)]
        worst = max(each.rounds or MOST_ROUNDS + 1 for each in caught)
        figures.at_most(f"{name}: rounds until {' or '.join(bug.breaks)} is broken", worst, MOST_ROUNDS)
        longest = max(each.seconds for each in caught)
        progress(f"{name}: {worst} rounds with {times} seeds, {longest:.1f} s: {caught[0].sentences[:1]}")
    figures.none_of("violations without a bug", await found_without(servers, PROVOKED_BY, seed))
    return figures


async def controls_by_chance(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """What a hundred random kills under load, with nothing aimed at the bug, show of each; it only informs."""
    figures = Figures(seed)
    rounds = min(MOST_ROUNDS, max(1, round(MOST_ROUNDS * rounds_scale)))
    for name, bug in BUGS.items():
        broken = await _seen_by_chance(servers, name, seed, rounds)
        seen = [each for each in bug.breaks if each in broken]
        figures.add(
            f"{name}: seen broken", ", ".join(seen or broken) or "nothing", f"{' or '.join(bug.breaks)}"
        )
        progress(f"{name}: {broken}")
    return figures


async def _seen_by_chance(servers: Servers, name: str, seed: int, rounds: int) -> list[str]:
    async with World(servers, seed, bug=name) as world:
        try:
            found = (await kill_rounds(world, rounds)).violations
        except AssertionError:
            # It never became quiet, or a client was told what cannot be.
            found = await world.violations()
    return sorted({sentence.partition(":")[0] for sentence in found})
