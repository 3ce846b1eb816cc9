"""The delivery ledger in PostgreSQL."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

import msgspec
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.application.notification.ports import Accepted, DeadRange, DeliveryFilter, NewDelivery, Settlement
from qs.domain.notification.delivery import Attempt, Delivery, Outcome
from qs.infra.notification.alerts import SqlAlertBook
from qs.infra.notification.claiming import SqlClaims, delivery_of
from qs.infra.notification.grants import SqlGrantBook
from qs.infra.notification.receipts import SqlReceiptBook
from qs.infra.notification.tables import delivery as deliveries
from qs.infra.notification.tables import delivery_attempt
from qs.infra.postgres.ids import new_id
from qs.infra.postgres.unit_of_work import SqlUnitOfWork

_ADD = text(
    """
INSERT INTO delivery (id, tenant_id, event_id, event_name, task_id, testee_id, plan_id, recipient, channel,
                      address_index, template, locale, data, occasion, not_before, status, reason, settled_at)
SELECT id, :tenant, event_id, event_name, task_id, testee_id, plan_id, recipient, channel, address_index, template,
       locale, data::jsonb, occasion, coalesce(not_before, '-infinity'),
       CASE WHEN reason IS NULL THEN 'queued' ELSE 'skipped' END, reason, CASE WHEN reason IS NOT NULL THEN qs_now() END
FROM unnest(CAST(:ids AS uuid[]), CAST(:event_ids AS uuid[]), CAST(:event_names AS text[]),
            CAST(:task_ids AS uuid[]), CAST(:testee_ids AS uuid[]), CAST(:plan_ids AS uuid[]),
            CAST(:recipients AS text[]), CAST(:channels AS text[]), CAST(:indexes AS integer[]),
            CAST(:templates AS text[]), CAST(:locales AS text[]), CAST(:data AS text[]),
            CAST(:occasions AS text[]), CAST(:not_before AS timestamptz[]), CAST(:reasons AS text[]))
     AS d(id, event_id, event_name, task_id, testee_id, plan_id, recipient, channel, address_index, template, locale,
          data, occasion, not_before, reason)
ON CONFLICT (tenant_id, event_id, occasion, recipient, channel, address_index) DO NOTHING
"""
)
# Locked in the order of their ids, as whoever reports of a digest does.
_SETTLE = text(
    """
WITH ours AS MATERIALIZED (
    SELECT id FROM delivery WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE
)
UPDATE delivery d
SET status = u.status, reason = u.reason, lease_until = NULL,
    settled_at = CASE WHEN u.status <> 'queued' THEN qs_now() END,
    next_attempt_at = clock_timestamp() + u.retry_in
FROM unnest(CAST(:ids AS uuid[]), CAST(:epochs AS integer[]), CAST(:statuses AS text[]), CAST(:reasons AS text[]),
            CAST(:retries AS interval[])) AS u(id, epoch, status, reason, retry_in) JOIN ours USING (id)
WHERE d.tenant_id = :tenant AND d.id = u.id AND d.status = 'sending' AND d.epoch = u.epoch
RETURNING d.id
"""
)
# Whoever lost the lease may still know better than the one who found the attempt unfinished.
_RECORD = text(
    """
INSERT INTO delivery_attempt (tenant_id, delivery_id, number, outcome, answer, template_version, provider_id)
SELECT :tenant, id, number, outcome, answer, version, provider
FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS integer[]), CAST(:outcomes AS text[]), CAST(:answers AS text[]),
            CAST(:versions AS integer[]), CAST(:providers AS text[]))
     AS u(id, number, outcome, answer, version, provider)
ON CONFLICT (tenant_id, delivery_id, number) DO UPDATE
SET at = excluded.at, outcome = excluded.outcome, answer = excluded.answer,
    template_version = excluded.template_version, provider_id = excluded.provider_id
WHERE delivery_attempt.outcome = 'unknown'
"""
)
_REVIVE = text(
    """
UPDATE delivery SET status = 'queued', reason = NULL, attempts = 0, settled_at = NULL, next_attempt_at = clock_timestamp()
WHERE tenant_id = :tenant AND id = :id AND status = 'dead'
"""
)
_REVIVE_RANGE = text(
    """
UPDATE delivery SET status = 'queued', reason = NULL, attempts = 0, settled_at = NULL, next_attempt_at = clock_timestamp()
WHERE tenant_id = :tenant AND id IN (
    SELECT id FROM delivery
    WHERE tenant_id = :tenant AND status = 'dead'
      AND created_at >= coalesce(CAST(:since AS timestamptz), '-infinity')
      AND created_at < coalesce(CAST(:until AS timestamptz), 'infinity')
      AND (CAST(:channel AS text) IS NULL OR channel = :channel)
    ORDER BY id LIMIT :limit FOR UPDATE
)
"""
)
# That the first in the order of the index is asked for keeps the planner from reading everything that is not due.
_TENANTS = text(
    """
SELECT t.id FROM tenant t CROSS JOIN LATERAL (
    SELECT FROM delivery d
    WHERE d.channel = :channel AND d.tenant_id = t.id AND d.status IN ('queued', 'sending')
      AND d.not_before <= (SELECT qs_now()) AND d.next_attempt_at <= statement_timestamp()
    ORDER BY d.not_before, d.next_attempt_at LIMIT 1) due
"""
)
_LONGEST_ANSWER = 300

_encode = msgspec.json.Encoder().encode


class SqlDeliveryLedger(SqlClaims):
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
            "occasions": [each.occasion for each in new],
            "not_before": [each.not_before for each in new],
            "reasons": [each.intent.skipped for each in new],
        }
        return (await self._connection.execute(_ADD, parameters)).rowcount

    async def settle(self, settlements: Sequence[Settlement]) -> Collection[UUID]:
        ends = list(settlements)
        ours = await self._connection.scalars(
            _SETTLE,
            {
                "tenant": self._tenant_id,
                "ids": [each.delivery.id for each in ends],
                "epochs": [each.delivery.epoch for each in ends],
                "statuses": [each.status.value for each in ends],
                "reasons": [each.reason for each in ends],
                "retries": [each.retry_in or timedelta(0) for each in ends],
            },
        )
        settled = set(ours)
        if tried := [each for each in ends if each.outcome is not None]:
            await self._connection.execute(
                _RECORD,
                {
                    "tenant": self._tenant_id,
                    "ids": [each.delivery.id for each in tried],
                    "numbers": [each.delivery.epoch for each in tried],
                    "outcomes": [each.outcome.value for each in tried if each.outcome is not None],
                    "answers": [
                        None if each.answer is None else each.answer[:_LONGEST_ANSWER] for each in tried
                    ],
                    "versions": [each.template_version for each in tried],
                    "providers": [
                        each.answer.provider_id if isinstance(each.answer, Accepted) else None
                        for each in tried
                    ],
                },
            )
        return settled

    async def get(self, delivery_id: UUID) -> Delivery | None:
        query = select(deliveries).where(
            deliveries.c.tenant_id == self._tenant_id, deliveries.c.id == delivery_id
        )
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else delivery_of(row)

    async def attempts_of(self, delivery_id: UUID) -> Sequence[Attempt]:
        columns = delivery_attempt.c
        query = (
            select(columns.number, columns.at, columns.outcome, columns.answer, columns.template_version)
            .where(columns.tenant_id == self._tenant_id, columns.delivery_id == delivery_id)
            .order_by(columns.number)
        )
        rows = await self._connection.execute(query)
        return [
            Attempt(row.number, row.at, Outcome(row.outcome), row.answer, row.template_version)
            for row in rows
        ]

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
        return [delivery_of(row) for row in rows]

    async def revive(self, delivery_id: UUID) -> bool:
        done = await self._connection.execute(_REVIVE, {"tenant": self._tenant_id, "id": delivery_id})
        return done.rowcount == 1

    async def revive_range(self, which: DeadRange, limit: int) -> int:
        within = {"since": which.since, "until": which.until, "channel": which.channel}
        done = await self._connection.execute(
            _REVIVE_RANGE, {"tenant": self._tenant_id, "limit": limit, **within}
        )
        return done.rowcount


class SqlNotificationUnitOfWork(SqlUnitOfWork):
    deliveries: SqlDeliveryLedger
    grants: SqlGrantBook
    alerts: SqlAlertBook
    receipts: SqlReceiptBook

    def bind(self, connection: AsyncConnection) -> None:
        self.deliveries = SqlDeliveryLedger(connection, self.tenant_id)
        self.grants = SqlGrantBook(connection, self.tenant_id)
        self.alerts = SqlAlertBook(connection, self.tenant_id)
        self.receipts = SqlReceiptBook(connection, self.tenant_id)


class SqlDueDeliveries:
    """Finds across tenants, as qs_sweeper, where something is due."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def tenants(self, channel: str) -> Sequence[UUID]:
        async with self._engine.connect() as connection:
            await connection.execute(text("SET LOCAL ROLE qs_sweeper"))
            return list(await connection.scalars(_TENANTS, {"channel": channel}))
