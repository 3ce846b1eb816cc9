"""How many occasions in a row enrollments have missed, for those who tell staff of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.infra.postgres.unit_of_work import SqlUnitOfWork

# In the order in which they ended. What somebody ended by hand, or canceled, neither counts nor begins anew.
_RUNS = text(
    """
SELECT e.id, e.plan_id, p.alert_after_missed, run.missed, run.last_task_id
FROM enrollment e JOIN plan p ON p.tenant_id = e.tenant_id AND p.id = e.plan_id
CROSS JOIN LATERAL (
    SELECT count(*) AS missed, (array_agg(t.id ORDER BY t.expired_at DESC, t.seq DESC))[1] AS last_task_id
    FROM task t
    WHERE t.tenant_id = :tenant AND t.enrollment_id = e.id AND NOT t.dropped
      AND t.status = 'expired' AND t.reason IN ('missed', 'entry_timeout')
      AND t.expired_at > coalesce(
          (SELECT max(c.completed_at) FROM task c
           WHERE c.tenant_id = :tenant AND c.enrollment_id = e.id AND NOT c.dropped AND c.status = 'completed'),
          '-infinity')) AS run
WHERE e.tenant_id = :tenant AND e.id = ANY(:ids)"""
)


@dataclass(frozen=True, slots=True)
class MissedRun:
    """How many in a row up to now, the last of them, and how many of them the plan wants staff told of."""

    missed: int
    plan_id: UUID
    last_task_id: UUID | None
    alert_after_missed: int | None


class SqlMissedRuns:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def of(self, tenant_id: UUID, enrollment_ids: Collection[UUID]) -> Mapping[UUID, MissedRun]:
        """Those of the enrollments that exist."""
        async with SqlUnitOfWork(self._engine, tenant_id) as uow:
            rows = await uow.connection.execute(_RUNS, {"tenant": tenant_id, "ids": list(enrollment_ids)})
        return {
            row.id: MissedRun(row.missed, row.plan_id, row.last_task_id, row.alert_after_missed)
            for row in rows
        }
