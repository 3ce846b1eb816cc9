"""Clocks that jump: business time, and the clocks of the machines that the workers run on."""

import asyncio
from datetime import timedelta

from tests.proof.aftermath import aftermath
from tests.proof.figures import Figures, Progress
from tests.proof.roles import WORKERS
from tests.proof.servers import Servers
from tests.proof.working import working
from tests.proof.world import World

JUMPS = 24
RATE_PER_S = 40.0
_STEPS = (timedelta(hours=1), timedelta(days=1), -timedelta(hours=1), -timedelta(days=1))
_SET_BACK = "UPDATE business_clock SET clock_offset = clock_offset + $1"


async def jumps(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """24 jumps at scale 1 of business time, back and forth, while each worker's own clock is wrong by an hour or a day."""
    times = max(len(_STEPS), round(JUMPS * rounds_scale))
    figures = Figures(seed)
    async with World(servers, seed) as world:
        for role in WORKERS:
            await world.start(role, shift=world.rng.choice(_STEPS))
            await world.start(role, shift=world.rng.choice(_STEPS))
        async with working(world, rate_per_s=RATE_PER_S, settings=world.settings) as load:
            for number in range(1, times + 1):
                await asyncio.sleep(0.5)
                step = _STEPS[(number - 1) % len(_STEPS)]
                if step > timedelta(0):
                    await load.advance(step)
                else:
                    # Nobody may set it back; a database server whose clock was wrong does it all the same.
                    await world.fetch(_SET_BACK, step)
                progress(f"{number} of {times} jumps")
            quiet_s, violations = await aftermath(world, load)
        figures.add("jumps of business time by an hour or a day, half of them back", times)
        figures.add("worker clocks that were wrong by an hour or a day", 2 * len(WORKERS))
        figures.add("seconds to quiet", quiet_s)
        (row,) = await world.fetch(
            "SELECT count(*) FILTER (WHERE opened_at IS NOT NULL) AS opened,"
            " count(*) FILTER (WHERE expired_at IS NOT NULL) AS expired FROM task"
        )
        figures.add("tasks opened", row["opened"])
        figures.add("tasks expired", row["expired"])
        figures.none_of("violations, statistics among them", violations)
    return figures
