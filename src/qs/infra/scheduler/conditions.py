"""How the jobs of all tenants stand, as the sweeper role sees it: counts and instants, and nobody's names."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.scheduler.job_condition import JobCondition
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.infra.postgres.roles import SWEEPER

_ACTIVE = text(
    "SELECT kind, queue, status, count(*) AS number FROM job_execution"
    " WHERE status IN ('queued', 'running', 'retrying') GROUP BY kind, queue, status"
)
_JOBS = text(
    "SELECT CASE WHEN enabled OR status = 'config_error' THEN status ELSE 'disabled' END AS status,"
    " count(*) AS number FROM job GROUP BY 1"
)
_REST = text(
    """
SELECT clock_timestamp() AS now,
    (SELECT j.next_fire_at FROM job j
     WHERE j.next_fire_at IS NOT NULL
       AND NOT EXISTS (SELECT FROM job_switch s
                       WHERE s.tenant_id IN (j.tenant_id, CAST(:platform AS uuid)) AND NOT s.firing)
     ORDER BY j.next_fire_at LIMIT 1) AS due_since,
    (SELECT min(available_at) FROM job_execution
     WHERE status IN ('queued', 'retrying') AND available_at IS NOT NULL) AS waiting_since,
    EXISTS (SELECT FROM job_switch WHERE tenant_id = :platform AND NOT firing) AS stopped,
    (SELECT count(*) FROM job_switch WHERE tenant_id <> :platform AND NOT firing) AS stopped_tenants,
    (SELECT count(*) FROM job_notice WHERE status = 'pending') AS pending,
    (SELECT count(*) FROM job_notice WHERE status = 'dead') AS dead,
    (SELECT min(next_attempt_at) FROM job_notice WHERE status = 'pending') AS notice_due_since"""
)


class SqlJobConditions:
    """Implements JobConditions."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def look(self) -> JobCondition:
        async with self._engine.connect() as connection:
            await connection.execute(text(f"SET LOCAL ROLE {SWEEPER}"))
            active = await connection.execute(_ACTIVE)
            jobs = await connection.execute(_JOBS)
            rest = (await connection.execute(_REST, {"platform": PLATFORM_TENANT})).one()

        def since(instant: object) -> float:
            return 0.0 if instant is None else max((rest.now - instant).total_seconds(), 0.0)

        return JobCondition(
            now=rest.now,
            active={(row.kind, row.queue, row.status): row.number for row in active},
            jobs={row.status: row.number for row in jobs},
            due_lag_s=since(rest.due_since),
            waiting_s=since(rest.waiting_since),
            clock_stopped=rest.stopped,
            stopped_tenants=rest.stopped_tenants,
            notices_pending=rest.pending,
            notices_dead=rest.dead,
            notice_lag_s=since(rest.notice_due_since),
        )
