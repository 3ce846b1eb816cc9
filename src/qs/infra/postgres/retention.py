"""Deleting old rows across all tenants, as qs_relay, which may delete these and no others."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

import structlog
from sqlalchemy import TextClause, text
from sqlalchemy.exc import DBAPIError
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
_JOB_SLOTS = text(
    """
DELETE FROM job_slot WHERE (tenant_id, job_id, scheduled_at) IN (
    SELECT s.tenant_id, s.job_id, s.scheduled_at FROM job_slot s
    WHERE s.claimed_at < clock_timestamp() - CAST(:age AS interval)
      AND (EXISTS (SELECT FROM job_slot newer WHERE newer.tenant_id = s.tenant_id AND newer.job_id = s.job_id
                                                AND newer.scheduled_at > s.scheduled_at)
           OR NOT EXISTS (SELECT FROM job j WHERE j.tenant_id = s.tenant_id AND j.id = s.job_id))
    ORDER BY s.claimed_at LIMIT :limit
)"""
)
_JOB_NOTICES = text(
    """
DELETE FROM job_notice WHERE (tenant_id, id) IN (
    SELECT tenant_id, id FROM job_notice
    WHERE created_at < clock_timestamp() - CAST(:age AS interval) AND status IN ('sent', 'dead')
    ORDER BY created_at LIMIT :limit
)"""
)
_BROKER_REQUESTS = text(
    """
DELETE FROM broker_request WHERE (tenant_id, key) IN (
    SELECT tenant_id, key FROM broker_request
    WHERE received_at < clock_timestamp() - CAST(:age AS interval)
    ORDER BY received_at LIMIT :limit
)"""
)
# Ids tell when they were made, by the clock of whoever made them, so that only the old end of each tenant's is read; the
# day more is for a clock that is ahead. When it was settled is business time. Those that went out together go by the id of
# the first, which stays for the last of them. The conditions stand outside as well, where they are looked at once more
# with the row locked: one that was dead may have been replayed a moment ago.
_MESSAGES = text(
    """
DELETE FROM delivery
WHERE status IN ('sent', 'skipped', 'dead') AND settled_at < qs_now() - CAST(:age AS interval) AND (tenant_id, id) IN (
    SELECT old.tenant_id, old.id FROM tenant t CROSS JOIN LATERAL (
        SELECT d.tenant_id, d.id FROM delivery d
        WHERE d.tenant_id = t.id
          AND d.id < qs_first_id((statement_timestamp() - CAST(:age AS interval))::date + 1)
          AND d.created_at < clock_timestamp() - CAST(:age AS interval)
          AND d.settled_at < qs_now() - CAST(:age AS interval) AND d.status IN ('sent', 'skipped', 'dead')
          AND NOT EXISTS (SELECT FROM outbox o WHERE o.tenant_id = d.tenant_id AND o.id = d.event_id)
          AND (d.digest_id IS DISTINCT FROM d.id OR NOT EXISTS (
              SELECT FROM delivery o
              WHERE o.tenant_id = d.tenant_id AND o.recipient = d.recipient AND o.channel = d.channel
                AND o.digest_id = d.id
                AND ((o.settled_at < qs_now() - CAST(:age AS interval)) IS NOT TRUE
                     OR EXISTS (SELECT FROM outbox e WHERE e.tenant_id = o.tenant_id AND e.id = o.event_id))))
        ORDER BY d.id LIMIT :limit) old
    LIMIT :limit
)"""
)
_GRANT_USES = text(
    """
DELETE FROM channel_grant_use WHERE (tenant_id, message_id) IN (
    SELECT old.tenant_id, old.message_id FROM tenant t CROSS JOIN LATERAL (
        SELECT u.tenant_id, u.message_id FROM channel_grant_use u
        WHERE u.tenant_id = t.id
          AND u.message_id < qs_first_id((statement_timestamp() - CAST(:age AS interval))::date + 1)
          AND u.at < clock_timestamp() - CAST(:age AS interval)
          AND NOT EXISTS (SELECT FROM delivery d WHERE d.tenant_id = u.tenant_id AND d.id = u.message_id)
        ORDER BY u.message_id LIMIT :limit) old
    LIMIT :limit
)"""
)
_WEBHOOK_DELIVERIES = text(
    """
DELETE FROM webhook_delivery WHERE status IN ('sent', 'skipped', 'dead') AND (tenant_id, id) IN (
    (SELECT tenant_id, id FROM webhook_delivery
     WHERE status IN ('sent', 'skipped') AND settled_at < clock_timestamp() - CAST(:age AS interval)
     ORDER BY settled_at LIMIT :limit)
    UNION ALL
    (SELECT tenant_id, id FROM webhook_delivery
     WHERE status = 'dead' AND settled_at < clock_timestamp() - CAST(:dead_age AS interval)
     ORDER BY settled_at LIMIT :limit)
)"""
)
_WEBHOOK_ORPHANS = text(
    """
DELETE FROM webhook_delivery WHERE (tenant_id, id) IN (
    SELECT d.tenant_id, d.id FROM webhook_delivery d
    WHERE NOT EXISTS (SELECT FROM webhook_endpoint e WHERE e.tenant_id = d.tenant_id AND e.id = d.endpoint_id)
    LIMIT :limit
)"""
)
# Younger ones may be those of an event that is being acted on at this moment.
_WEBHOOK_MESSAGES = text(
    """
DELETE FROM webhook_message WHERE (tenant_id, event_id) IN (
    SELECT m.tenant_id, m.event_id FROM webhook_message m
    WHERE m.created_at < clock_timestamp() - interval '1 hour'
      AND NOT EXISTS (SELECT FROM webhook_delivery d WHERE d.tenant_id = m.tenant_id AND d.event_id = m.event_id)
    ORDER BY m.created_at LIMIT :limit
)"""
)
# An enrollment that ended has nothing that could end its alert; business time, as all of an alert is.
_ALERTS = text(
    """
DELETE FROM staff_alert WHERE (tenant_id, id) IN (
    SELECT tenant_id, id FROM staff_alert
    WHERE recovered_at < qs_now() - CAST(:age AS interval)
       OR (kind IN ('missed_in_a_row', 'missed_openings') AND last_seen_at < qs_now() - CAST(:age AS interval))
    LIMIT :limit
)"""
)
_MAKE_MONTHS = text("SELECT qs_make_partitions(:ahead)")
_DROP_MONTHS = text("SELECT qs_drop_partitions(CAST(:age AS interval))")

# Whoever waits for a whole table makes everybody else wait behind him, as long as the backup that he waits for.
_DO_NOT_QUEUE = text("SELECT set_config('lock_timeout', '2s', true)")
_DEADLOCK = "40P01"
# What a table is locked for: its rows are being read or written (lock_not_available, deadlock_detected).
_BUSY = frozenset({"55P03", _DEADLOCK})
_TRIES, _BETWEEN_TRIES_S = 3, 1.0

_log = structlog.get_logger()


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

    async def job_slots(self, older_than: timedelta, limit: int) -> int:
        return await self._delete(_JOB_SLOTS, age=older_than, limit=limit)

    async def job_notices(self, older_than: timedelta, limit: int) -> int:
        return await self._delete(_JOB_NOTICES, age=older_than, limit=limit)

    async def broker_requests(self, older_than: timedelta, limit: int) -> int:
        return await self._delete(_BROKER_REQUESTS, age=older_than, limit=limit)

    async def messages(self, older_than: timedelta, limit: int) -> int:
        return await self._delete(_MESSAGES, age=older_than, limit=limit)

    async def grant_uses(self, older_than: timedelta, limit: int) -> int:
        return await self._delete(_GRANT_USES, age=older_than, limit=limit)

    async def webhook_deliveries(self, older_than: timedelta, dead_older_than: timedelta, limit: int) -> int:
        return await self._delete(_WEBHOOK_DELIVERIES, age=older_than, dead_age=dead_older_than, limit=limit)

    async def webhook_orphans(self, limit: int) -> int:
        return await self._delete(_WEBHOOK_ORPHANS, limit=limit)

    async def webhook_messages(self, limit: int) -> int:
        return await self._delete(_WEBHOOK_MESSAGES, limit=limit)

    async def alerts(self, older_than: timedelta, limit: int) -> int:
        return await self._delete(_ALERTS, age=older_than, limit=limit)

    async def _delete(self, statement: TextClause, **parameters: object) -> int:
        for attempt in range(_TRIES):
            if attempt:
                await asyncio.sleep(_BETWEEN_TRIES_S)
            try:
                return await self._delete_once(statement, parameters)
            except DBAPIError as error:
                # Who replays what was given up locks the same rows in another order; the next run finds what is left.
                if getattr(error.orig, "sqlstate", None) != _DEADLOCK:
                    raise
        _log.warning("retention_busy")
        return 0

    async def _delete_once(self, statement: TextClause, parameters: Mapping[str, object]) -> int:
        async with self._engine.connect() as connection:
            await connection.execute(text("SET LOCAL ROLE qs_relay"))
            count: int = (await connection.execute(statement, parameters)).rowcount
            await commit(connection, "retention.batch")
        return count


class SqlMonths:
    """Implements Months; the functions of the database that do it decide by themselves what may go."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def prepare(self, ahead: int) -> int | None:
        return await self._patiently(_MAKE_MONTHS, ahead=ahead)

    async def drop(self, older_than: timedelta) -> int | None:
        return await self._patiently(_DROP_MONTHS, age=older_than)

    async def _patiently(self, statement: TextClause, **parameters: object) -> int | None:
        for attempt in range(_TRIES):
            if attempt:
                await asyncio.sleep(_BETWEEN_TRIES_S)
            try:
                return await self._call(statement, parameters)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in _BUSY:
                    raise
        _log.warning("job_months_busy")
        return None

    async def _call(self, statement: TextClause, parameters: Mapping[str, object]) -> int:
        async with self._engine.connect() as connection:
            await connection.execute(_DO_NOT_QUEUE)
            await connection.execute(text("SET LOCAL ROLE qs_relay"))
            count: int = (await connection.execute(statement, parameters)).scalar_one()
            await commit(connection, "retention.months")
        return count
