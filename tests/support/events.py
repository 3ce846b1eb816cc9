"""Events to publish, and a subscriber whose effects can be counted."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel.cloud_events import PublishedEvent
from qs.application.kernel.publishing import Publishing
from qs.application.kernel.relaying import Relay
from qs.application.kernel.republishing import Republishing
from qs.application.kernel.streams import Envelopes, EventStreams
from qs.application.kernel.subscribing import Subscribing
from qs.application.kernel.subscriptions import StreamReader, Subscription
from qs.domain.kernel.event import Event
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.plan.events import TaskOpened
from qs.infra.postgres.inbox import SqlDueAttempts
from qs.infra.postgres.outbox_relay import SqlRelayOutbox
from qs.infra.postgres.outbox_republishing import SqlRepublishingOutbox
from qs.infra.postgres.unit_of_work import SqlUnitOfWork
from qs.infra.redis.stream_reader import RedisStreamReader
from qs.infra.redis.streams import RedisEventStreams

STREAM = "qs:events:plan"
OTHER_TENANT = UUID("00000000-0000-7000-8000-0000000000aa")
SUBSCRIPTION = Subscription("counting", ("plan",), ("TaskOpened",))

_T0 = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)


def task_opened(seq: int = 1, enrollment_id: UUID | None = None, tenant_id: UUID = DEFAULT_TENANT) -> Event:
    task_id, enrollment = uuid4(), enrollment_id or uuid4()
    later = _T0 + timedelta(days=7)
    payload = TaskOpened(
        task_id, uuid4(), enrollment, uuid4(), "PHQ-9", seq, _T0, _T0, later, later, "Asia/Shanghai"
    )
    return Event(tenant_id, task_id, enrollment, _T0, payload)


async def record(engine: AsyncEngine, events: Sequence[Event]) -> None:
    """Commits events of one tenant to the outbox."""
    async with SqlUnitOfWork(engine, events[0].tenant_id) as uow:
        await uow.events.add(events)
        await uow.commit("test")


async def record_opened(engine: AsyncEngine, count: int, tenant_id: UUID = DEFAULT_TENANT) -> None:
    await record(engine, [task_opened(seq, tenant_id=tenant_id) for seq in range(1, count + 1)])


def make_relay(engine: AsyncEngine, streams: EventStreams, batch: int = 1000) -> Relay:
    return Relay(SqlRelayOutbox(engine), streams, Envelopes(), batch=batch)


def make_streams(redis: Redis) -> RedisEventStreams:
    return RedisEventStreams(redis, keep_hours=24)


def make_republishing(engine: AsyncEngine, streams: EventStreams, after_s: float = 5.0) -> Republishing:
    return Republishing(
        SqlRepublishingOutbox(engine), streams, Envelopes(), [SUBSCRIPTION], after=timedelta(seconds=after_s)
    )


def make_publishing(engine: AsyncEngine, redis: Redis, after_s: float = 5.0) -> Publishing:
    streams = make_streams(redis)
    relay, republishing = make_relay(engine, streams), make_republishing(engine, streams, after_s)
    return Publishing(relay, republishing, after=timedelta(seconds=after_s))


async def publish_all(engine: AsyncEngine, redis: Redis) -> None:
    relay = make_relay(engine, make_streams(redis))
    while await relay.cycle():
        pass


async def in_stream(redis: Redis) -> list[dict[str, Any]]:
    """The CloudEvents of the plan stream, oldest first."""
    return [msgspec.json.decode(fields[b"event"]) for _, fields in await redis.xrange(STREAM)]


class Counting:
    """Writes one row per event it acts on; ``before`` may fail, hang or worse."""

    subscription = SUBSCRIPTION

    def __init__(self, before: Callable[[PublishedEvent], Awaitable[None]] | None = None) -> None:
        self._before = before

    async def handle(self, uow: SqlUnitOfWork, events: Sequence[PublishedEvent]) -> None:
        for event in events:
            if self._before is not None:
                await self._before(event)
        await uow.connection.execute(
            text("INSERT INTO effect (event_id) SELECT unnest(CAST(:ids AS uuid[]))"),
            {"ids": [event.id for event in events]},
        )


async def make_effect_table(database_url: str) -> None:
    """The table of effects; without a unique key, so that a second effect shows."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("CREATE TABLE effect (event_id uuid NOT NULL)")
        await connection.execute("GRANT SELECT, INSERT ON effect TO qs_app")
    finally:
        await connection.close()


def make_subscribing(
    engine: AsyncEngine,
    redis: Redis,
    subscriber: Counting | None = None,
    reader: StreamReader | None = None,
    **options: Any,
) -> Subscribing[Any]:
    unit_of_work: Any = partial(SqlUnitOfWork, engine)
    return Subscribing(
        subscriber or Counting(),
        unit_of_work,
        reader or RedisStreamReader(redis, SUBSCRIPTION),
        SqlDueAttempts(engine),
        **{"first_delay": timedelta(milliseconds=10), **options},
    )


class Background:
    """Repeats steps until it is left, as a worker does, whatever they raise."""

    def __init__(self, *steps: Callable[[], Awaitable[object]]) -> None:
        self._steps = steps
        self._left = False

    async def __aenter__(self) -> None:
        self._tasks = [asyncio.create_task(self._repeat(step)) for step in self._steps]

    async def __aexit__(self, *error: object) -> None:
        # A step may end well although it was canceled: asyncio.wait_for of Python 3.11 keeps the answer that
        # came in the same moment and drops the cancellation.
        self._left = True
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    async def _repeat(self, step: Callable[[], Awaitable[object]]) -> None:
        while not self._left:
            with suppress(Exception):
                if await step():
                    continue
            await asyncio.sleep(0.01)
