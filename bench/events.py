"""How fast recorded events reach the stream, and how fast a subscriber has acted on them."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from bench import chilling, seeding
from bench.harness import Case, Goal, Subject
from bench.processes import worker
from bench.world import World
from qs.application.plan.sweep_report import Phase
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.plan.events import TaskOpened
from qs.infra.postgres.ids import new_id

_BATCH = 1000
_STREAM = "qs:events:plan"
_GROUP = "notifications"
_BARE = "bare"
_WARM_UP = 200
_ACTED_WITHIN_S = 300.0
_LOOKED_EVERY_S = 0.05
_MAIL = {
    "QS_NOTIFICATION__CHANNELS": "email",
    "QS_SMTP__HOST": "mail.invalid",
    "QS_SMTP__FROM": "bench@mail.invalid",
}

_APPEND = "for i = 1, #ARGV, 2 do redis.call('XADD', KEYS[1], '*', 'name', ARGV[i], 'event', ARGV[i + 1]) end"
_MARK = """
UPDATE outbox SET position = ordinal, published_at = clock_timestamp(), publications = 1
WHERE id IN (SELECT id FROM outbox WHERE position IS NULL ORDER BY ordinal LIMIT $1)
RETURNING name, data::text
"""
_ACTED = "SELECT count(*) FROM delivery WHERE tenant_id = $1"

# Statistics do not run here, and what they leave must not be published again and again.
_NOBODY_COUNTS = "INSERT INTO subscriber_cursor VALUES ('statistics', 9e18::bigint)"


async def relaying(world: World, events: int, published: int) -> Case:
    """From the outbox to the stream, rows kept: one mark and one script call for a thousand, against the relay.

    The outbox holds ``published`` events already.
    """
    redis = world.container.redis()
    append = redis.register_script(_APPEND)
    await seeding.events(world.admin, DEFAULT_TENANT, published, events)
    await world.keep()

    async def run_limit(number: int) -> int:
        done = 0
        while True:
            async with world.admin.transaction():
                rows = await world.admin.fetch(_MARK, _BATCH)
                if not rows:
                    return done
                await append(keys=[_STREAM], args=[part for row in rows for part in row])
            done += len(rows)

    async def run_ours(number: int) -> int:
        publishing = world.container.publishing()
        while await publishing.round():
            pass
        return int(await redis.xlen(_STREAM))

    async def prepare(number: int) -> None:
        await world.restore()

    subjects = {
        "one mark, one script call": Subject(run_limit, events, prepare),
        "ours": Subject(run_ours, events, prepare),
    }
    goals = [Goal("ours", 0.5, "one mark, one script call")]
    return Case("relay", "events", subjects, goals, {"events": published + events, "of them waiting": events})


async def subscribing(world: World, events: int, later: int) -> Case:
    """From a due task to what its opening leads to: sweep here, relay and notifications in processes of their own.

    Everybody is told by mail and has no address, so what an event leads to is its row in the ledger and no message.
    The clock stops when the last of them is committed.
    """
    redis = world.container.redis()
    warm_up = await seeding.tenant(world.admin, "warm-up")
    await seeding.tasks(world.admin, warm_up, _WARM_UP, 0)
    tenant_id = await seeding.tenant(world.admin, "measured")
    await seeding.tasks(world.admin, tenant_id, events, later)
    await world.admin.execute(_NOBODY_COUNTS)
    await world.keep()
    scheduling = world.container.task_scheduling()
    workers = await world.stack.enter_async_context(AsyncExitStack())

    async def prepare_limit(number: int) -> None:
        await workers.aclose()
        await redis.delete(_BARE)
        entry: dict[Any, Any] = {"name": "TaskOpened", "event": _facts(new_id(), new_id())}
        for start in range(0, events, _BATCH):
            pipeline = redis.pipeline(transaction=False)
            for _ in range(min(_BATCH, events - start)):
                pipeline.xadd(_BARE, entry)
            await pipeline.execute()
        await redis.xgroup_create(_BARE, "bare", id="0")

    async def run_limit(number: int) -> int:
        done = 0
        while found := await redis.xreadgroup("bare", "one", {_BARE: ">"}, count=_BATCH):
            ids = [entry_id for entry_id, _ in found[0][1]]
            await redis.xack(_BARE, "bare", *ids)
            done += len(ids)
        return done

    async def prepare_ours(number: int) -> None:
        await workers.aclose()
        await world.restore()
        environment = {**world.environment(), **_MAIL}
        for role in ("relay", "notifications"):
            await workers.enter_async_context(worker(role, environment))
        # Both work once something has come all the way; what is measured has not been touched by it.
        await open_and_act(warm_up, _WARM_UP)
        if world.cold:
            await chilling.drop_page_cache()

    async def run_ours(number: int) -> int:
        return await open_and_act(tenant_id, events)

    async def open_and_act(whose: UUID, wanted: int) -> int:
        await scheduling.sweep(whose, phases=(Phase.OPEN,))
        async with asyncio.timeout(_ACTED_WITHIN_S):
            while not await _all_acknowledged(world) or (done := await acted(whose)) < wanted:
                await asyncio.sleep(_LOOKED_EVERY_S)
        return done

    async def acted(whose: UUID) -> int:
        return int(await world.admin.fetchval(_ACTED, whose))

    subjects = {
        "reading and acknowledging": Subject(run_limit, events, prepare_limit),
        "ours, opened to acted": Subject(run_ours, events, prepare_ours),
    }
    goals = [Goal("ours, opened to acted", 5000)]
    return Case("subscriber", "events", subjects, goals, {"tasks": events + later, "of them due": events})


async def _all_acknowledged(world: World) -> bool:
    """Whether nothing in the stream waits for the subscriber; far cheaper to ask than how much was acted on."""
    redis = world.container.redis()
    if not await redis.exists(_STREAM):
        return False
    groups = {group["name"]: group for group in await redis.xinfo_groups(_STREAM)}
    group = groups.get(_GROUP.encode())
    return group is not None and group["pending"] == 0 and group["lag"] == 0


def _facts(task_id: UUID, enrollment_id: UUID) -> bytes:
    now = datetime.now(UTC)
    later = now + timedelta(days=7)
    who = (task_id, new_id(), enrollment_id, new_id(), "PHQ-9", 1)
    return msgspec.json.encode(TaskOpened(*who, now, now, later, later, "Asia/Shanghai"))
