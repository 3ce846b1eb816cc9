"""How the tasks of a tenant stand, along the indexes that the sweep and the expiry use."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel.counting import COUNTED_TO
from qs.application.plan.standing import SOON, TaskStanding
from qs.infra.postgres.unit_of_work import SqlUnitOfWork

# What a paused plan or enrollment holds back is not due. The function's result is a constant by its own SELECT, since row-level
# security lets an index be searched for no function that is not leakproof.
_STANDING = text(
    """
WITH due AS (
    SELECT t.planned_at FROM task t
    WHERE t.tenant_id = :tenant AND t.status = 'pending' AND t.planned_at <= (SELECT qs_now())
    AND t.plan_id NOT IN (SELECT id FROM plan WHERE tenant_id = :tenant AND status <> 'active')
    AND t.enrollment_id NOT IN (SELECT id FROM enrollment WHERE tenant_id = :tenant AND status = 'paused')
    ORDER BY t.planned_at LIMIT :most
), opened AS (
    SELECT t.expires_at FROM task t WHERE t.tenant_id = :tenant AND t.status = 'opened'
    ORDER BY t.expires_at LIMIT :most
)
SELECT qs_now() AS now, (SELECT count(*) FROM due) AS due, (SELECT min(planned_at) FROM due) AS oldest_due_at,
       (SELECT count(*) FROM opened) AS opened,
       (SELECT count(*) FROM opened WHERE expires_at <= (SELECT qs_now()) + :soon) AS closing
"""
)


class SqlTaskStandings:
    """Implements TaskStandings."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def of(self, tenant_id: UUID) -> TaskStanding:
        async with SqlUnitOfWork(self._engine, tenant_id) as uow:
            given = {"tenant": tenant_id, "most": COUNTED_TO, "soon": SOON}
            row = (await uow.connection.execute(_STANDING, given)).one()
        return TaskStanding(row.now, row.due, row.oldest_due_at, row.opened, row.closing)
