"""Where something is to be done about jobs, across tenants, as the sweeper role, which sees that and nothing more."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.scheduler.job_ports import Due
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.infra.postgres.roles import SWEEPER

# From tenant to tenant along the index, however many jobs each has.
_DUE_TENANTS = text(
    """
WITH RECURSIVE t AS (
    (SELECT tenant_id FROM job WHERE next_fire_at IS NOT NULL ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT j.tenant_id FROM job j WHERE j.next_fire_at IS NOT NULL AND j.tenant_id > t.tenant_id
            ORDER BY j.tenant_id LIMIT 1)
    FROM t WHERE t.tenant_id IS NOT NULL
)
SELECT t.tenant_id FROM t
WHERE t.tenant_id IS NOT NULL
  AND EXISTS (SELECT FROM job j WHERE j.tenant_id = t.tenant_id AND j.next_fire_at <= statement_timestamp())
  AND NOT EXISTS (SELECT FROM job_switch s WHERE s.tenant_id = t.tenant_id AND NOT s.firing)
  AND EXISTS (SELECT FROM tenant a WHERE a.id = t.tenant_id AND a.status = 'active')"""
)
_DUE_AT = text(
    """
SELECT DISTINCT tenant_id FROM job j WHERE next_fire_at = CAST(:at AS timestamptz)
  AND NOT EXISTS (SELECT FROM job_switch s WHERE s.tenant_id = j.tenant_id AND NOT s.firing)
  AND EXISTS (SELECT FROM tenant a WHERE a.id = j.tenant_id AND a.status = 'active')
LIMIT :limit"""
)
_CLOCK = text(
    """
SELECT clock_timestamp() AS now, (SELECT min(next_fire_at) FROM job WHERE next_fire_at IS NOT NULL) AS next_at,
       EXISTS (SELECT FROM job_switch WHERE tenant_id = :platform AND NOT firing) AS stopped"""
)
_WAITING = text(
    """
WITH RECURSIVE t AS (
    (SELECT tenant_id FROM job_execution
     WHERE status IN ('queued', 'retrying') AND available_at IS NOT NULL ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT e.tenant_id FROM job_execution e
            WHERE e.status IN ('queued', 'retrying') AND e.available_at IS NOT NULL AND e.tenant_id > t.tenant_id
            ORDER BY e.tenant_id LIMIT 1)
    FROM t WHERE t.tenant_id IS NOT NULL
)
SELECT tenant_id FROM t WHERE tenant_id IS NOT NULL"""
)
_LOST = text(
    "SELECT tenant_id, id FROM job_execution WHERE status = 'running' AND lease_until < statement_timestamp()"
    " ORDER BY lease_until LIMIT :limit"
)
_UNATTENDED = text(
    """
SELECT tenant_id FROM job_execution WHERE status = 'queued' AND available_at IS NULL
UNION SELECT tenant_id FROM job_execution WHERE status = 'queued' AND start_before < statement_timestamp()
UNION SELECT tenant_id FROM job_execution WHERE status IN ('queued', 'retrying') AND end_before < statement_timestamp()
UNION SELECT tenant_id FROM job WHERE enabled AND status = 'active' AND next_fire_at IS NULL"""
)


class SqlAcrossTenants:
    """Implements AcrossTenants."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def due(self) -> Due:
        async with self._engine.connect() as connection:
            await connection.execute(text(f"SET LOCAL ROLE {SWEEPER}"))
            clock = (await connection.execute(_CLOCK, {"platform": PLATFORM_TENANT})).one()
            tenants: list[UUID] = []
            if not clock.stopped and clock.next_at is not None and clock.next_at <= clock.now:
                tenants = [row.tenant_id for row in await connection.execute(_DUE_TENANTS)]
        return Due(clock.now, tenants, clock.next_at, clock.stopped)

    async def due_at(self, at: datetime, limit: int) -> Sequence[UUID]:
        return [row.tenant_id for row in await self._rows(_DUE_AT, at=at, limit=limit)]

    async def waiting(self) -> Sequence[UUID]:
        return [row.tenant_id for row in await self._rows(_WAITING)]

    async def lost(self, limit: int) -> Mapping[UUID, Sequence[UUID]]:
        found: dict[UUID, list[UUID]] = {}
        for row in await self._rows(_LOST, limit=limit):
            found.setdefault(row.tenant_id, []).append(row.id)
        return found

    async def unattended(self) -> Sequence[UUID]:
        return [row.tenant_id for row in await self._rows(_UNATTENDED)]

    async def _rows(self, statement: Any, **values: Any) -> Sequence[Any]:
        async with self._engine.connect() as connection:
            await connection.execute(text(f"SET LOCAL ROLE {SWEEPER}"))
            return list(await connection.execute(statement, values))
