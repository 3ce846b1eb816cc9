"""Who works and what waits, from the rows that workers renew and the executions that are active."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.scheduler.watching import Load, Node

# A role says every five seconds that it lives.
_NODES = text(
    """
SELECT worker, role, host, started_at, seen_at, draining, clock_offset_ms,
       seen_at > clock_timestamp() - interval '15 seconds' AS alive
FROM worker_heartbeat WHERE seen_at > clock_timestamp() - interval '1 day' ORDER BY role, host, worker"""
)
_LOAD = text(
    """
SELECT count(*) FILTER (WHERE status = 'queued' AND available_at IS NOT NULL) AS queued,
       count(*) FILTER (WHERE status = 'queued' AND available_at IS NULL) AS behind,
       count(*) FILTER (WHERE status = 'running') AS running,
       count(*) FILTER (WHERE status = 'retrying') AS retrying,
       clock_timestamp() - min(available_at) FILTER (
           WHERE status IN ('queued', 'retrying') AND available_at <= clock_timestamp()) AS oldest,
       (SELECT clock_timestamp() - min(next_fire_at) FROM job
        WHERE tenant_id = :tenant AND next_fire_at <= clock_timestamp()) AS lag
FROM job_execution WHERE tenant_id = :tenant AND status IN ('queued', 'running', 'retrying')"""
)
_AS_TENANT = text("SELECT set_config('qs.tenant_id', :tenant, true)")


class SqlSchedulerState:
    """Implements SchedulerState."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def nodes(self) -> Sequence[Node]:
        async with self._engine.connect() as connection:
            return [Node(**row._mapping) for row in await connection.execute(_NODES)]

    async def load(self, tenant_id: UUID) -> Load:
        async with self._engine.connect() as connection:
            await connection.execute(_AS_TENANT, {"tenant": str(tenant_id)})
            row = (await connection.execute(_LOAD, {"tenant": tenant_id})).one()
        return Load(**row._mapping)
