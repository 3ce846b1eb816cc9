"""What is to be done and asked when the faults are over."""

import time
from typing import NamedTuple

from tests.proof.load import Load
from tests.proof.world import World

# On an idle machine it takes seconds.
_QUIET_WITHIN_S = 180.0


class Aftermath(NamedTuple):
    """How long it took until nothing was left to do, and everything that is wrong then."""

    quiet_s: float
    violations: list[str]


async def aftermath(world: World, load: Load) -> Aftermath:
    """Ends the load, waits for quiet, syncs the statistics and asks the checker; every role must be up."""
    began = time.monotonic()
    await load.stop()
    await load.settle()
    await world.quiet(_QUIET_WITHIN_S)
    quiet_s = time.monotonic() - began
    await load.drain_feeds()
    await world.sync()
    surprises = [f"unexpected answer: {each}" for each in world.journal.surprises()]
    violations = await world.violations(synced=True, feed=load.feed)
    return Aftermath(quiet_s, [*violations, *world.family.broken, *surprises])
