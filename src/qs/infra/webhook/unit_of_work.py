"""The webhook context's unit of work, and who looks across tenants for something to do in it."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.infra.postgres.roles import SWEEPER
from qs.infra.postgres.unit_of_work import SqlUnitOfWork
from qs.infra.webhook.deliveries import SqlDeliveries
from qs.infra.webhook.endpoints import Cipher, SqlEndpoints

_DUE = text(
    """
SELECT e.tenant_id, e.id FROM webhook_endpoint e
WHERE e.enabled AND (e.paused_until IS NULL OR e.paused_until <= statement_timestamp())
  AND EXISTS (SELECT FROM webhook_delivery d
              WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.id AND d.status IN ('queued', 'sending')
                AND d.next_attempt_at <= statement_timestamp())"""
)


class SqlWebhookUnitOfWork(SqlUnitOfWork):
    endpoints: SqlEndpoints
    deliveries: SqlDeliveries

    def __init__(self, engine: AsyncEngine, tenant_id: UUID, cipher: Cipher) -> None:
        super().__init__(engine, tenant_id)
        self._cipher = cipher

    def bind(self, connection: AsyncConnection) -> None:
        self.endpoints = SqlEndpoints(connection, self.tenant_id, self._cipher)
        self.deliveries = SqlDeliveries(connection, self.tenant_id, self._cipher)


class WebhookUnitsOfWork:
    """Makes a unit of work for a tenant; the factory that services are given."""

    def __init__(self, engine: AsyncEngine, cipher: Cipher) -> None:
        self._engine = engine
        self._cipher = cipher

    def __call__(self, tenant_id: UUID) -> SqlWebhookUnitOfWork:
        return SqlWebhookUnitOfWork(self._engine, tenant_id, self._cipher)


class SqlDueEndpoints:
    """Implements DueEndpoints, as qs_sweeper."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self) -> Sequence[tuple[UUID, UUID]]:
        async with self._engine.connect() as connection:
            await connection.execute(text(f"SET LOCAL ROLE {SWEEPER}"))
            return [(row.tenant_id, row.id) for row in (await connection.execute(_DUE)).all()]
