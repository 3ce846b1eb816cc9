"""How the jobs of a tenant stand, along the index of what failed."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel.counting import COUNTED_TO
from qs.application.scheduler.standing import JobStanding
from qs.infra.postgres.unit_of_work import SqlUnitOfWork

_BAD = "status IN ('failed', 'timed_out', 'expired')"
# From job to job along the index of failures, each with its newest one, however many there are.
_STANDING = text(
    f"""
WITH RECURSIVE newest AS (
    (SELECT job_id, id FROM job_execution WHERE tenant_id = :tenant AND {_BAD}
     ORDER BY tenant_id DESC, job_id DESC, id DESC LIMIT 1)
    UNION ALL
    SELECT next.job_id, next.id FROM newest CROSS JOIN LATERAL (
        SELECT e.job_id, e.id FROM job_execution e
        WHERE e.tenant_id = :tenant AND {_BAD} AND e.job_id < newest.job_id
        ORDER BY e.tenant_id DESC, e.job_id DESC, e.id DESC LIMIT 1) AS next
)
SELECT (SELECT count(*) FROM newest n JOIN job j ON j.tenant_id = :tenant AND j.id = n.job_id AND j.enabled
        WHERE NOT EXISTS (SELECT FROM job_execution e WHERE e.tenant_id = :tenant AND e.job_id = n.job_id
                          AND e.id > n.id AND e.status = 'succeeded')) AS failing,
       (SELECT count(*) FROM (SELECT FROM job_execution WHERE tenant_id = :tenant
                              AND status IN ('queued', 'retrying', 'running') LIMIT :most) AS a) AS active
"""  # noqa: S608 - constants
)


class SqlJobStandings:
    """Implements JobStandings."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def of(self, tenant_id: UUID) -> JobStanding:
        async with SqlUnitOfWork(self._engine, tenant_id) as uow:
            row = (await uow.connection.execute(_STANDING, {"tenant": tenant_id, "most": COUNTED_TO})).one()
        return JobStanding(row.failing, row.active)
