"""What must be found before a tenant is known, by the role that may look across tenants and change nothing."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.infra.postgres.roles import SWEEPER

_DUE = text(
    """
WITH clock AS MATERIALIZED (SELECT qs_now() AS now)
SELECT t.id FROM tenant t, clock
WHERE t.status = 'active' AND (CAST(:tenant AS uuid) IS NULL OR t.id = :tenant)
AND (EXISTS (SELECT FROM task k WHERE k.tenant_id = t.id AND k.status = 'pending' AND k.planned_at <= clock.now)
  OR EXISTS (SELECT FROM task k WHERE k.tenant_id = t.id AND k.status = 'opened' AND k.expires_at <= clock.now))
ORDER BY random()
"""
)


class SqlDueTenants:
    """In random order, so that no tenant is always served last."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def __call__(self, tenant_id: UUID | None) -> Sequence[UUID]:
        async with self._engine.connect() as connection:
            await connection.execute(text(f"SET LOCAL ROLE {SWEEPER}"))
            return list(await connection.scalars(_DUE, {"tenant": tenant_id}))


_TENANT_OF = text(
    "SELECT k.tenant_id FROM task k JOIN tenant t ON t.id = k.tenant_id AND t.status = 'active' WHERE k.id = :id"
)


class SqlTaskTenants:
    """Whose task an entry names."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def __call__(self, task_id: UUID) -> UUID | None:
        async with self._engine.connect() as connection:
            await connection.execute(text(f"SET LOCAL ROLE {SWEEPER}"))
            tenant: UUID | None = await connection.scalar(_TENANT_OF, {"id": task_id})
            return tenant
