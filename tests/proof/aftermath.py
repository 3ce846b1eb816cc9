"""What is to be done and asked when the faults are over."""

import time
from typing import NamedTuple

from tests.proof.load import Load
from tests.proof.world import World
from tests.support.waiting import eventually

# On an idle machine it takes seconds.
_QUIET_WITHIN_S = 180.0


class Aftermath(NamedTuple):
    """How long it took until nothing was left to do, and everything that is wrong then."""

    quiet_s: float
    violations: list[str]


async def aftermath(world: World, load: Load, *, repeated: int = 0) -> Aftermath:
    """Ends the load, waits for quiet, syncs the statistics and asks the checker; every role must be up.

    ``repeated`` as for ``World.violations``.
    """
    began = time.monotonic()
    await load.stop()
    await load.settle()
    await world.quiet(_QUIET_WITHIN_S)
    quiet_s = time.monotonic() - began
    await load.drain_feeds()
    await eventually(lambda: _counted(world), _QUIET_WITHIN_S)
    await world.sync()
    surprises = [f"unexpected answer: {each}" for each in world.journal.surprises()]
    violations = await world.violations(synced=True, feed=load.feed, repeated=repeated)
    return Aftermath(quiet_s, [*violations, *world.family.broken, *surprises])


async def _counted(world: World) -> bool:
    """Whether every tenant has its counters, which are made again whenever Redis was emptied."""
    async with world.container() as container:
        mending = container.counter_mending()
        return all([await mending.good(each) for each in await container.counted_tenants().epochs()])
