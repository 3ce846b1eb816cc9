"""Deleting old rows across all tenants, as qs_relay, which may delete these and no others."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel.subscriptions import Subscription
from qs.infra.postgres.committing import commit

_OUTBOX = text(
    """
DELETE FROM outbox WHERE id IN (
    SELECT o.id FROM outbox o
    WHERE o.position <= (
            SELECT least(r.published_through,
                         (SELECT coalesce(min(coalesce(s.acknowledged_through, 0)), r.published_through)
                          FROM unnest(CAST(:subscribers AS text[])) AS name
                          LEFT JOIN subscriber_cursor s ON s.subscriber = name))
            FROM relay_cursor r)
      AND o.published_at < clock_timestamp() - CAST(:age AS interval)
      AND NOT EXISTS (SELECT FROM inbox i WHERE i.event_id = o.id AND i.state = 'dead')
      AND NOT EXISTS (SELECT FROM inbox_attempt a WHERE a.event_id = o.id)
    ORDER BY o.position LIMIT :limit
)"""
)
_INBOX = text(
    """
DELETE FROM inbox WHERE (subscriber, event_id) IN (
    SELECT i.subscriber, i.event_id FROM inbox i
    WHERE i.handled_at < clock_timestamp() - CAST(:age AS interval)
      AND NOT EXISTS (SELECT FROM outbox o WHERE o.id = i.event_id)
    ORDER BY i.handled_at LIMIT :limit
)"""
)
_EXECUTIONS = text(
    """
DELETE FROM execution WHERE (tenant_id, id) IN (
    SELECT tenant_id, id FROM execution
    WHERE created_at < clock_timestamp() - CAST(:age AS interval)
      AND finished_at < clock_timestamp() - CAST(:age AS interval)
    ORDER BY created_at LIMIT :limit
)"""
)
_SLOTS = text(
    """
DELETE FROM slot WHERE (tenant_id, name, scheduled_at) IN (
    SELECT s.tenant_id, s.name, s.scheduled_at FROM slot s
    WHERE s.claimed_at < clock_timestamp() - CAST(:age AS interval)
      AND EXISTS (SELECT FROM slot newer WHERE newer.tenant_id = s.tenant_id AND newer.name = s.name
                                           AND newer.scheduled_at > s.scheduled_at)
    LIMIT :limit
)"""
)
_IDEMPOTENCY_KEYS = text(
    """
DELETE FROM idempotency_key WHERE (tenant_id, principal, key) IN (
    SELECT tenant_id, principal, key FROM idempotency_key WHERE expires_at < clock_timestamp() LIMIT :limit
)"""
)


class SqlForgettableRows:
    def __init__(self, engine: AsyncEngine, subscriptions: Sequence[Subscription]) -> None:
        self._engine = engine
        self._subscribers = [subscription.subscriber for subscription in subscriptions]

    async def outbox(self, older_than: timedelta, limit: int) -> int:
        return await self._delete(_OUTBOX, age=older_than, limit=limit, subscribers=self._subscribers)

    async def inbox(self, older_than: timedelta, limit: int) -> int:
        return await self._delete(_INBOX, age=older_than, limit=limit)

    async def executions(self, older_than: timedelta, limit: int) -> int:
        return await self._delete(_EXECUTIONS, age=older_than, limit=limit)

    async def slots(self, older_than: timedelta, limit: int) -> int:
        return await self._delete(_SLOTS, age=older_than, limit=limit)

    async def idempotency_keys(self, limit: int) -> int:
        return await self._delete(_IDEMPOTENCY_KEYS, limit=limit)

    async def _delete(self, statement: TextClause, **parameters: object) -> int:
        async with self._engine.connect() as connection:
            await connection.execute(text("SET LOCAL ROLE qs_relay"))
            count: int = (await connection.execute(statement, parameters)).rowcount
            await commit(connection, "retention.batch")
        return count
