"""The delivery ledger in PostgreSQL."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.application.notification.ports import Claim, DeliveryFilter, NewDelivery
from qs.domain.notification.delivery import Attempt, Delivery, DeliveryStatus, Outcome
from qs.infra.notification.tables import delivery as deliveries
from qs.infra.notification.tables import delivery_attempt
from qs.infra.postgres.ids import new_id
from qs.infra.postgres.unit_of_work import SqlUnitOfWork

_ADD = text(
    """
INSERT INTO delivery (id, tenant_id, event_id, event_name, task_id, testee_id, plan_id, recipient, channel,
                      address_index, template, locale, data, status, reason, settled_at)
SELECT id, :tenant, event_id, event_name, task_id, testee_id, plan_id, recipient, channel, address_index, template,
       locale, data::jsonb, CASE WHEN reason IS NULL THEN 'queued' ELSE 'skipped' END, reason,
       CASE WHEN reason IS NOT NULL THEN qs_now() END
FROM unnest(CAST(:ids AS uuid[]), CAST(:event_ids AS uuid[]), CAST(:event_names AS text[]),
            CAST(:task_ids AS uuid[]), CAST(:testee_ids AS uuid[]), CAST(:plan_ids AS uuid[]),
            CAST(:recipients AS text[]), CAST(:channels AS text[]), CAST(:indexes AS integer[]),
            CAST(:templates AS text[]), CAST(:locales AS text[]), CAST(:data AS text[]), CAST(:reasons AS text[]))
     AS d(id, event_id, event_name, task_id, testee_id, plan_id, recipient, channel, address_index, template, locale,
          data, reason)
ON CONFLICT (tenant_id, event_id, recipient, channel, address_index) DO NOTHING
"""
)
# A delivery that is being sent is due when its lease is over: its next attempt is then.
_CLAIM = text(
    """
WITH due AS MATERIALIZED (
    SELECT id, status AS was FROM delivery
    WHERE tenant_id = :tenant AND channel = :channel AND status IN ('queued', 'sending')
      AND next_attempt_at <= statement_timestamp()
    ORDER BY next_attempt_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
), unknown AS (
    INSERT INTO delivery_attempt (tenant_id, delivery_id, number, at, outcome)
    SELECT d.tenant_id, d.id, d.epoch, d.lease_until, 'unknown'
    FROM delivery d JOIN due ON due.id = d.id WHERE d.tenant_id = :tenant AND due.was = 'sending'
    ON CONFLICT DO NOTHING
)
UPDATE delivery d
SET status = 'sending', attempts = attempts + 1, epoch = epoch + 1,
    lease_until = clock_timestamp() + CAST(:lease AS interval),
    next_attempt_at = clock_timestamp() + CAST(:lease AS interval)
FROM due WHERE d.tenant_id = :tenant AND d.id = due.id
RETURNING d.*, due.was
"""
)
_SETTLE = text(
    """
UPDATE delivery
SET status = :status, reason = :reason, lease_until = NULL,
    settled_at = CASE WHEN :status <> 'queued' THEN qs_now() END,
    next_attempt_at = clock_timestamp() + CAST(:retry_in AS interval)
WHERE tenant_id = :tenant AND id = :id AND status = 'sending' AND epoch = :epoch
"""
)
# Whoever lost the lease may still know better than the one who found the attempt unfinished.
_RECORD = text(
    """
INSERT INTO delivery_attempt (tenant_id, delivery_id, number, outcome, answer)
VALUES (:tenant, :id, :number, :outcome, :answer)
ON CONFLICT (tenant_id, delivery_id, number) DO UPDATE
SET at = excluded.at, outcome = excluded.outcome, answer = excluded.answer
WHERE delivery_attempt.outcome = 'unknown'
"""
)
_REVIVE = text(
    """
UPDATE delivery SET status = 'queued', reason = NULL, attempts = 0, settled_at = NULL, next_attempt_at = clock_timestamp()
WHERE tenant_id = :tenant AND id = :id AND status = 'dead'
"""
)
_TENANTS = text(
    """
SELECT t.id FROM tenant t
WHERE EXISTS (SELECT FROM delivery d WHERE d.channel = :channel AND d.tenant_id = t.id
                AND d.status IN ('queued', 'sending') AND d.next_attempt_at <= statement_timestamp())
"""
)
_LONGEST_ANSWER = 300

_encode = msgspec.json.Encoder().encode


class SqlDeliveryLedger:
    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def add(self, new: Sequence[NewDelivery]) -> int:
        if not new:
            return 0
        parameters = {
            "tenant": self._tenant_id,
            "ids": [new_id() for _ in new],
            "event_ids": [each.event_id for each in new],
            "event_names": [each.event_name for each in new],
            "task_ids": [each.task_id for each in new],
            "testee_ids": [each.testee_id for each in new],
            "plan_ids": [each.plan_id for each in new],
            "recipients": [each.intent.recipient for each in new],
            "channels": [each.intent.channel for each in new],
            "indexes": [each.intent.address_index for each in new],
            "templates": [each.intent.template for each in new],
            "locales": [each.intent.locale for each in new],
            "data": [_encode(each.data).decode() for each in new],
            "reasons": [each.intent.skipped for each in new],
        }
        return (await self._connection.execute(_ADD, parameters)).rowcount

    async def claim(self, channel: str, limit: int, lease: timedelta) -> Sequence[Claim]:
        rows = await self._connection.execute(
            _CLAIM, {"tenant": self._tenant_id, "channel": channel, "limit": limit, "lease": lease}
        )
        return [Claim(_delivery(row), interrupted=row.was == DeliveryStatus.SENDING) for row in rows]

    async def settle(
        self,
        delivery: Delivery,
        status: DeliveryStatus,
        reason: str | None,
        retry_in: timedelta | None = None,
    ) -> bool:
        parameters = {"id": delivery.id, "epoch": delivery.epoch, "status": status.value, "reason": reason}
        done = await self._connection.execute(
            _SETTLE, {"tenant": self._tenant_id, **parameters, "retry_in": retry_in or timedelta(0)}
        )
        return done.rowcount == 1

    async def record_attempt(self, delivery: Delivery, outcome: Outcome, answer: str | None) -> None:
        parameters = {"id": delivery.id, "number": delivery.epoch, "outcome": outcome.value}
        told = None if answer is None else answer[:_LONGEST_ANSWER]
        await self._connection.execute(_RECORD, {"tenant": self._tenant_id, **parameters, "answer": told})

    async def get(self, delivery_id: UUID) -> Delivery | None:
        query = select(deliveries).where(
            deliveries.c.tenant_id == self._tenant_id, deliveries.c.id == delivery_id
        )
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _delivery(row)

    async def attempts_of(self, delivery_id: UUID) -> Sequence[Attempt]:
        columns = delivery_attempt.c
        query = (
            select(columns.number, columns.at, columns.outcome, columns.answer)
            .where(columns.tenant_id == self._tenant_id, columns.delivery_id == delivery_id)
            .order_by(columns.number)
        )
        rows = await self._connection.execute(query)
        return [Attempt(row.number, row.at, Outcome(row.outcome), row.answer) for row in rows]

    async def list(self, which: DeliveryFilter, before: UUID | None, limit: int) -> Sequence[Delivery]:
        columns = deliveries.c
        query = select(deliveries).where(columns.tenant_id == self._tenant_id)
        if which.task_id is not None:
            query = query.where(columns.task_id == which.task_id)
        if which.status is not None:
            query = query.where(columns.status == which.status.value)
        if which.channel is not None:
            query = query.where(columns.channel == which.channel)
        if before is not None:
            query = query.where(columns.id < before)
        rows = await self._connection.execute(query.order_by(columns.id.desc()).limit(limit))
        return [_delivery(row) for row in rows]

    async def revive(self, delivery_id: UUID) -> bool:
        done = await self._connection.execute(_REVIVE, {"tenant": self._tenant_id, "id": delivery_id})
        return done.rowcount == 1


class SqlNotificationUnitOfWork(SqlUnitOfWork):
    deliveries: SqlDeliveryLedger

    def bind(self, connection: AsyncConnection) -> None:
        self.deliveries = SqlDeliveryLedger(connection, self.tenant_id)


class SqlDueDeliveries:
    """Finds across tenants, as qs_sweeper, where something is due."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def tenants(self, channel: str) -> Sequence[UUID]:
        async with self._engine.connect() as connection:
            await connection.execute(text("SET LOCAL ROLE qs_sweeper"))
            return list(await connection.scalars(_TENANTS, {"channel": channel}))


def _delivery(row: Row[Any]) -> Delivery:
    # Rows of a textual query carry the document as text.
    data = msgspec.json.decode(row.data) if isinstance(row.data, str) else row.data
    return Delivery(
        id=row.id,
        tenant_id=row.tenant_id,
        event_id=row.event_id,
        event_name=row.event_name,
        task_id=row.task_id,
        testee_id=row.testee_id,
        plan_id=row.plan_id,
        recipient=row.recipient,
        channel=row.channel,
        address_index=row.address_index,
        template=row.template,
        locale=row.locale,
        data=data,
        status=DeliveryStatus(row.status),
        reason=row.reason,
        attempts=row.attempts,
        epoch=row.epoch,
        next_attempt_at=row.next_attempt_at,
        created_at=row.created_at,
        settled_at=row.settled_at,
    )
