"""What is to be done and asked when the faults are over."""

import time
from typing import NamedTuple
from uuid import UUID

from qs.domain.kernel.ids import PLATFORM_TENANT
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
    chains = await _broken_chains(world)
    return Aftermath(quiet_s, [*violations, *chains, *world.family.broken, *surprises])


async def _broken_chains(world: World) -> list[str]:
    """What is wrong with the chains of the audit log, every record of which is sealed by now or will be in a moment."""
    await eventually(lambda: _sealed(world), _QUIET_WITHIN_S)
    async with world.container() as container:
        verdicts = [
            (tenant_id, await container.audit_reading().verify(tenant_id))
            for tenant_id in (PLATFORM_TENANT, *map(UUID, world.tokens))
        ]
    return [f"audit log of {tenant_id}: {found.flaw.why}" for tenant_id, found in verdicts if found.flaw]


async def _sealed(world: World) -> bool:
    (row,) = await world.fetch("SELECT count(*) AS n FROM audit_unsealed")
    return bool(row["n"] == 0)


async def _counted(world: World) -> bool:
    """Whether every tenant has its counters, which are made again whenever Redis was emptied."""
    async with world.container() as container:
        mending = container.counter_mending()
        return all([await mending.good(each) for each in await container.counted_tenants().epochs()])
