"""How duties and workers stand, as the sweeper role sees it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.scheduler.duty_condition import DutyCondition, ServiceCondition
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.domain.scheduler.duty import Duty
from qs.infra.postgres.roles import SWEEPER

# Ids are UUIDv7: the last executions of a name are the end of an index, and an id says when it was made.
_DUTIES = text(
    """
SELECT d.name,
    (array_agg(e.id ORDER BY e.id DESC) FILTER (WHERE e.status = 'succeeded'))[1] AS succeeded,
    (array_agg(e.status ORDER BY e.id DESC) FILTER (WHERE e.status NOT IN ('queued', 'running')))[1] AS ended,
    count(*) FILTER (WHERE e.status = 'lost') AS lost
FROM unnest(CAST(:names AS text[])) AS d(name)
LEFT JOIN LATERAL (SELECT id, status FROM execution WHERE tenant_id = :platform AND name = d.name
                   ORDER BY id DESC LIMIT 100) AS e ON true
GROUP BY d.name"""
)
_WORKERS = text(
    "SELECT role, count(*) AS number, max(abs(coalesce(clock_offset_ms, 0))) AS gap_ms FROM worker_heartbeat"
    " WHERE seen_at > clock_timestamp() - interval '30 seconds' GROUP BY role"
)
_NOW = text("SELECT clock_timestamp()")


class SqlServiceConditions:
    """Implements ServiceConditions for these duties."""

    def __init__(self, engine: AsyncEngine, duties: Sequence[Duty]) -> None:
        self._engine = engine
        self._names = [duty.name for duty in duties]

    async def look(self) -> ServiceCondition:
        async with self._engine.connect() as connection:
            await connection.execute(text(f"SET LOCAL ROLE {SWEEPER}"))
            duties = await connection.execute(_DUTIES, {"names": self._names, "platform": PLATFORM_TENANT})
            workers = (await connection.execute(_WORKERS)).all()
            # Last, so that whoever compares it with a clock of their own does so at once.
            now = (await connection.execute(_NOW)).scalar_one()
        return ServiceCondition(
            now=now,
            duties={
                row.name: DutyCondition(
                    succeeded_at=None if row.succeeded is None else _made_at(row.succeeded),
                    is_failing=row.ended is not None and row.ended != "succeeded",
                    lost=row.lost,
                )
                for row in duties
            },
            workers={row.role: row.number for row in workers},
            worker_clock_gap=timedelta(milliseconds=max((row.gap_ms for row in workers), default=0)),
        )


def _made_at(id_: UUID) -> datetime:
    """When a UUIDv7 was made (RFC 9562, 5.7: its first 48 bits are milliseconds since 1970)."""
    return datetime.fromtimestamp((id_.int >> 80) / 1000, UTC)
