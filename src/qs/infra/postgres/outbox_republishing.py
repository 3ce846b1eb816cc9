"""What subscribers have not acknowledged, found by comparing outbox and inbox."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.application.kernel.cloud_events import PublishedEvent
from qs.application.kernel.republishing import Extent
from qs.application.kernel.subscriptions import Subscription
from qs.infra.postgres.committing import commit
from qs.infra.postgres.published_events import COLUMNS, to_events

_WINDOW = 20_000
_LONGEST_WAIT = timedelta(minutes=10)

_BEGIN = text(
    "SELECT set_config('role', 'qs_relay', true), set_config('idle_in_transaction_session_timeout', '15s', true),"
    " set_config('enable_seqscan', 'off', true)"
)
_EXTENT = text("SELECT published_through, clock_timestamp() FROM relay_cursor")
_REGISTER = text("INSERT INTO subscriber_cursor (subscriber) VALUES (:subscriber) ON CONFLICT DO NOTHING")
_TURN = (
    "SELECT s.acknowledged_through, r.published_through FROM subscriber_cursor s, relay_cursor r"
    " WHERE s.subscriber = :subscriber FOR UPDATE OF s"
)
_TURN_WAITING = text(_TURN)
_TURN_OR_NONE = text(_TURN + " SKIP LOCKED")

_UNACKNOWLEDGED = """
FROM outbox o
WHERE o.position > :after AND o.position <= :through AND o.context = ANY(:contexts) AND o.name = ANY(:names)
  AND NOT EXISTS (SELECT FROM inbox i WHERE i.subscriber = :subscriber AND i.event_id = o.id)
"""
_NOT_SET_ASIDE = """
  AND NOT EXISTS (SELECT FROM inbox_attempt a WHERE a.subscriber = :subscriber AND a.event_id = o.id)
"""
_FIRST = text(f"SELECT o.position {_UNACKNOWLEDGED} ORDER BY o.position LIMIT 1")
_OVERDUE = text(
    f"SELECT {COLUMNS} {_UNACKNOWLEDGED} {_NOT_SET_ASIDE}"
    "  AND coalesce(o.republished_at, o.published_at) < clock_timestamp()"
    "      - least(CAST(:age AS interval) * power(2, least(o.publications - 1, 20)), CAST(:longest AS interval))"
    " ORDER BY o.position LIMIT :limit"
)
_LOST = text(
    f"SELECT {COLUMNS} {_UNACKNOWLEDGED} {_NOT_SET_ASIDE}"
    " AND coalesce(o.republished_at, o.published_at) <= :at ORDER BY o.position LIMIT :limit"
)
_ADVANCE = text("UPDATE subscriber_cursor SET acknowledged_through = :through WHERE subscriber = :subscriber")
_MARK = text(
    "UPDATE outbox SET republished_at = clock_timestamp(), publications = publications + 1 WHERE id = ANY(:ids)"
)


class SqlRepublishingTurn:
    """A transaction that holds the row lock of one subscriber's cursor."""

    def __init__(
        self, connection: AsyncConnection, subscription: Subscription, acknowledged: int, published: int
    ) -> None:
        self._connection = connection
        self.acknowledged = acknowledged
        self._published = published
        self._subscription: dict[str, Any] = {
            "subscriber": subscription.subscriber,
            "contexts": list(subscription.contexts),
            "names": list(subscription.names),
        }

    async def advance(self) -> None:
        reached = self.acknowledged
        while reached < self._published:
            end = min(reached + _WINDOW, self._published)
            first = await self._connection.scalar(
                _FIRST, {**self._subscription, "after": reached, "through": end}
            )
            reached = end if first is None else first - 1
            if first is not None:
                break
        if reached > self.acknowledged:
            self.acknowledged = reached
            subscriber = self._subscription["subscriber"]
            await self._connection.execute(_ADVANCE, {"through": reached, "subscriber": subscriber})

    async def overdue(self, after: timedelta, limit: int) -> Sequence[PublishedEvent]:
        end = min(self.acknowledged + _WINDOW, self._published)
        if end == self.acknowledged:
            return []
        parameters = {"after": self.acknowledged, "through": end, "age": after, "longest": _LONGEST_WAIT}
        rows = await self._connection.execute(_OVERDUE, {**self._subscription, **parameters, "limit": limit})
        return to_events(rows)

    async def lost(self, beyond: int, extent: Extent, limit: int) -> Sequence[PublishedEvent]:
        parameters = {"after": beyond, "through": extent.through, "at": extent.at, "limit": limit}
        return to_events(await self._connection.execute(_LOST, {**self._subscription, **parameters}))

    async def mark(self, event_ids: Collection[UUID]) -> None:
        await self._connection.execute(_MARK, {"ids": list(event_ids)})

    async def commit(self, at: str) -> None:
        await commit(self._connection, at)


class SqlRepublishingOutbox:
    """Outbox and inbox across all tenants, as qs_relay."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def extent(self) -> Extent:
        async with self._engine.connect() as connection:
            await connection.execute(_BEGIN)
            return Extent(*(await connection.execute(_EXTENT)).one())

    @asynccontextmanager
    async def turn(
        self, subscription: Subscription, *, wait: bool
    ) -> AsyncIterator[SqlRepublishingTurn | None]:
        async with self._engine.connect() as connection:
            await connection.execute(_BEGIN)
            await connection.execute(_REGISTER, {"subscriber": subscription.subscriber})
            statement = _TURN_WAITING if wait else _TURN_OR_NONE
            cursor = (
                await connection.execute(statement, {"subscriber": subscription.subscriber})
            ).one_or_none()
            yield None if cursor is None else SqlRepublishingTurn(connection, subscription, *cursor)
