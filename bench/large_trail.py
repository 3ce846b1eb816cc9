"""What an opened or expired task leaves behind once everybody has acted on it: rows by table, and their bytes."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack

import asyncpg

from bench.processes import worker
from bench.world import World
from qs.application.notification import announcing
from qs.application.statistics import counting
from qs.application.webhook import fanning_out

_ROLES = ("relay", "notifications", "statistics")
_SUBSCRIPTIONS = (announcing.SUBSCRIPTION, counting.SUBSCRIPTION, fanning_out.SUBSCRIPTION)
_LOOK_EVERY_S = 1.0
_WITHIN_S = 3600.0
_SIZES = """
SELECT relname AS name, pg_total_relation_size(oid) AS bytes FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"""
_NEWEST = "SELECT coalesce(max(ordinal), 0) FROM outbox"
_LEFT = """
SELECT EXISTS (SELECT FROM outbox WHERE position IS NULL)
    OR EXISTS (SELECT FROM delivery WHERE status IN ('queued', 'sending'))
    OR EXISTS (SELECT FROM outbox o WHERE o.ordinal > $1 AND o.context = ANY($2) AND o.name = ANY($3)
        AND NOT EXISTS (SELECT FROM inbox i WHERE i.subscriber = $4 AND i.event_id = o.id))"""


class Trail:
    """Made before anything happens; ``followed`` when it has. Messages go to a log that nobody keeps."""

    def __init__(self, world: World, sizes: Mapping[str, int], newest: int) -> None:
        self._world = world
        self._sizes = sizes
        self._newest = newest

    @classmethod
    async def begun(cls, world: World) -> "Trail":
        return cls(world, await _sizes(world.admin), await world.admin.fetchval(_NEWEST))

    async def followed(self) -> tuple[float, Mapping[str, int]]:
        """Has everybody act on what happened; seconds that took with the start of the workers, and bytes grown by table.

        Raises:
            TimeoutError: it took more than an hour.
        """
        began = time.perf_counter()
        environment = {
            **self._world.environment(),
            "QS_LOG_LEVEL": "error",
            "QS_NOTIFICATION__CHANNELS": "log",
        }
        async with AsyncExitStack() as stack:
            for role in _ROLES:
                await stack.enter_async_context(worker(role, environment))
            async with asyncio.timeout(_WITHIN_S):
                while await self._something_left():
                    await asyncio.sleep(_LOOK_EVERY_S)
            seconds = time.perf_counter() - began
        after = await _sizes(self._world.admin)
        grown = {name: size - self._sizes.get(name, 0) for name, size in after.items()}
        return seconds, {name: size for name, size in grown.items() if size > 0}

    async def _something_left(self) -> bool:
        for each in _SUBSCRIPTIONS:
            if await self._world.admin.fetchval(
                _LEFT, self._newest, list(each.contexts), list(each.names), each.subscriber
            ):
                return True
        return False


async def _sizes(admin: asyncpg.Connection) -> dict[str, int]:
    return {row["name"]: row["bytes"] for row in await admin.fetch(_SIZES)}
