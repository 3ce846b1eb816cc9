"""Every process replaced, one after the other, while a long sweep runs and clients call."""

import asyncio
import signal
import time
from datetime import date, timedelta

from tests.integration.plan.clinic import Clinic
from tests.proof.aftermath import aftermath
from tests.proof.figures import Figures, Progress
from tests.proof.roles import ROLES
from tests.proof.servers import Servers
from tests.proof.working import working
from tests.proof.world import World

ROUNDS = 10
RATE_PER_S = 40.0
_DUE = 500


async def rolling(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """10 rounds at scale 1, each of which replaces one process in every role while hundreds of tasks are due."""
    rounds = max(1, round(ROUNDS * rounds_scale))
    figures, codes, longest_s = Figures(seed), [], 0.0
    async with World(servers, seed) as world, world.container() as container:
        clinic = Clinic(container)
        plan = await clinic.plan(schedule_type="by_day", interval=1, total_times=1, trigger_time="00:00:00")
        async with working(world, rate_per_s=RATE_PER_S) as load:
            for number in range(1, rounds + 1):
                await clinic.enroll_many(plan, _DUE, str(date.today() - timedelta(days=1)))  # noqa: DTZ011
                for role in ROLES:
                    began = time.monotonic()
                    codes.append(await _replace(world, role))
                    longest_s = max(longest_s, time.monotonic() - began)
                progress(f"{number} of {rounds} rounds")
            _, violations = await aftermath(world, load)
        lost = [f"{write.kind} was not answered" for write in world.journal.writes if write.status is None]
        failed = [f"{each.kind} was answered with {each.status}" for each in world.journal.server_errors()]
        figures.add("processes replaced", len(codes))
        figures.add("ended well when asked", codes.count(0), f"{len(codes)}", codes.count(0) == len(codes))
        figures.at_most("the longest replacement took seconds", longest_s, 20.0)
        figures.add("requests", len(world.journal.writes) + len(world.journal.reads))
        figures.none_of("calls that failed", [*lost, *failed])
        figures.none_of("violations, statistics among them", violations)
    return figures


async def _replace(world: World, role: str) -> int:
    """The exit code of the oldest process of the role; its replacement works before it is asked to end."""
    (oldest,) = world.alive(role)
    successor = await world.start(role)
    await successor.ready()
    await asyncio.sleep(world.rng.uniform(0, 0.2))
    oldest.signal(signal.SIGTERM)
    return await oldest.wait()
