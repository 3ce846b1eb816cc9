"""How fast recorded events reach the stream, and how fast a subscriber has acted on them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from bench.harness import Case, Goal, Subject
from bench.processes import worker
from bench.world import World
from qs.application.plan.sweep_report import Phase
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.plan.events import TaskOpened
from qs.infra.postgres.ids import new_id

_BATCH = 1000
_STREAM = "qs:events:plan"
_BARE = "bare"
_ACTED_WITHIN_S = 120.0
# Counting costs the machine as much as a dozen events.
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


async def relaying(world: World, events: int) -> Case:
    """From the outbox to the stream, rows kept: one mark and one script call for a thousand, against the relay."""
    redis = world.container.redis()
    append = redis.register_script(_APPEND)

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
        await _empty(world)
        await _record(world, events)

    subjects = {
        "one mark, one script call": Subject(run_limit, events, prepare),
        "ours": Subject(run_ours, events, prepare),
    }
    return Case("relay", "events", subjects, [Goal("ours", 0.5, "one mark, one script call")])


async def subscribing(world: World, rounds: int, events: int) -> Case:
    """From a due task to what its opening leads to: sweep here, relay and notifications in processes of their own.

    Everybody is told by mail and has no address, so what an event leads to is its row in the ledger and no message.
    The clock stops when the last of them is committed.
    """
    redis = world.container.redis()
    tenants = [await world.tenant(f"acting-{n}") for n in range(rounds + 1)]
    for tenant_id in tenants:
        await world.fill(tenant_id, events, 0)
    environment = {**world.environment(), **_MAIL}
    for role in ("relay", "notifications"):
        await world.stack.enter_async_context(worker(role, environment))
    scheduling = world.container.task_scheduling()

    async def prepare_limit(number: int) -> None:
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

    async def run_ours(number: int) -> int:
        await scheduling.sweep(tenants[number], phases=(Phase.OPEN,))
        async with asyncio.timeout(_ACTED_WITHIN_S):
            while (done := await world.admin.fetchval(_ACTED, tenants[number])) < events:
                await asyncio.sleep(_LOOKED_EVERY_S)
        return int(done)

    subjects = {
        "reading and acknowledging": Subject(run_limit, events, prepare_limit),
        "ours, opened to acted": Subject(run_ours, events),
    }
    return Case("subscriber", "events", subjects, [Goal("ours, opened to acted", 5000)])


def _facts(task_id: UUID, enrollment_id: UUID) -> bytes:
    now = datetime.now(UTC)
    later = now + timedelta(days=7)
    who = (task_id, new_id(), enrollment_id, new_id(), "PHQ-9", 1)
    return msgspec.json.encode(TaskOpened(*who, now, now, later, later, "Asia/Shanghai"))


async def _record(world: World, events: int) -> None:
    now, rows = datetime.now(UTC), []
    for _ in range(events):
        task_id, enrollment_id = new_id(), new_id()
        data = _facts(task_id, enrollment_id).decode()
        whose = (new_id(), DEFAULT_TENANT, "plan", "TaskOpened", f"tasks/{task_id}", enrollment_id)
        rows.append((*whose, now, data))
    await world.admin.copy_records_to_table(
        "outbox",
        records=rows,
        columns=["id", "tenant_id", "context", "name", "subject", "partition_key", "occurred_at", "data"],
    )
    await world.admin.execute("VACUUM ANALYZE outbox")


async def _empty(world: World) -> None:
    await world.admin.execute("TRUNCATE outbox, inbox, inbox_attempt, subscriber_cursor")
    await world.admin.execute("UPDATE relay_cursor SET assigned_through = 0, published_through = 0")
    await world.container.redis().flushdb()
    await world.container.event_streams().vouch()
