"""Jobs that fail and of whom nobody was told, of every tenant, as the sweeper role."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.infra.postgres.roles import SWEEPER

_BAD = "status IN ('failed', 'timed_out', 'expired')"
# From job to job along the index of failures: each with its newest one, however many there are. Of a job that has failed for
# months no more is looked at than its last thousand executions.
_FAILING = text(
    f"""
WITH RECURSIVE newest AS (
    (SELECT tenant_id, job_id, id FROM job_execution WHERE {_BAD}
     ORDER BY tenant_id DESC, job_id DESC, id DESC LIMIT 1)
    UNION ALL
    SELECT next.tenant_id, next.job_id, next.id FROM newest CROSS JOIN LATERAL (
        SELECT e.tenant_id, e.job_id, e.id FROM job_execution e
        WHERE {_BAD} AND (e.tenant_id, e.job_id) < (newest.tenant_id, newest.job_id)
        ORDER BY e.tenant_id DESC, e.job_id DESC, e.id DESC LIMIT 1) AS next
)
SELECT n.tenant_id, n.job_id, j.name, n.id AS last_id, run.length
FROM newest n JOIN job j ON j.tenant_id = n.tenant_id AND j.id = n.job_id AND j.enabled
CROSS JOIN LATERAL (
    SELECT coalesce(
        (SELECT r.id FROM (
            SELECT e.id, e.status FROM job_execution e
            WHERE e.tenant_id = n.tenant_id AND e.job_id = n.job_id ORDER BY e.id DESC LIMIT 1000) AS r
         WHERE r.status = 'succeeded' ORDER BY r.id DESC LIMIT 1),
        '00000000-0000-0000-0000-000000000000') AS id) AS good
CROSS JOIN LATERAL (
    SELECT count(*) AS length FROM (
        SELECT FROM job_execution e
        WHERE e.tenant_id = n.tenant_id AND e.job_id = n.job_id AND {_BAD} AND e.id > good.id LIMIT 1000) AS bad) AS run
CROSS JOIN LATERAL (
    SELECT bool_or(m.status = 'sent') AS sent, bool_or(m.status = 'pending') AND NOT bool_or(m.status = 'dead') AS awaited
    FROM job_notice m
    WHERE m.tenant_id = n.tenant_id AND m.job_id = n.job_id AND m.kind IN ('failure', 'timeout')
      AND m.execution_id > good.id) AS told
WHERE good.id < n.id AND told.sent IS NOT TRUE AND told.awaited IS NOT TRUE"""  # noqa: S608 - constants
)


@dataclass(frozen=True, slots=True)
class FailingJob:
    """``length`` executions in a row have failed, ``last_id`` being the newest."""

    tenant_id: UUID
    job_id: UUID
    name: str
    last_id: UUID
    length: int


class SqlFailingJobs:
    """A job whose own notice was sent, or is on its way for the first time, is told of already and left out."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def look(self) -> Sequence[FailingJob]:
        """All whose last execution that ended as it should or failed is one that failed."""
        async with self._engine.connect() as connection:
            await connection.execute(text(f"SET LOCAL ROLE {SWEEPER}"))
            rows = await connection.execute(_FAILING)
            return [FailingJob(row.tenant_id, row.job_id, row.name, row.last_id, row.length) for row in rows]
