"""The claim of one execution by its id, for the process that made it."""

from datetime import timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import text

from qs.application.scheduler.job_ports import ClaimedRun, JobUnitOfWork
from qs.infra.postgres.unit_of_work import SqlUnitOfWork
from qs.infra.scheduler.job_rows import CLAIM_COLUMNS, definition_of, run_of

_TAKE = text(
    f"""
WITH taken AS (
    UPDATE job_execution SET status = 'running', worker = :worker, epoch = epoch + 1, attempt = attempt + 1,
        lease_until = clock_timestamp() + CAST(:lease AS interval), started_at = clock_timestamp(), error = NULL
    WHERE tenant_id = :tenant AND id = :id AND status = 'queued'
    RETURNING {CLAIM_COLUMNS}
), begun AS (
    INSERT INTO job_attempt (tenant_id, execution_id, number, epoch, worker)
    SELECT :tenant, id, attempt, epoch, :worker FROM taken
)
SELECT * FROM taken"""  # noqa: S608
)


class SqlRunTaking:
    """Implements RunTaking."""

    async def take(self, uow: JobUnitOfWork, execution_id: UUID, worker: str, lease: timedelta) -> ClaimedRun:
        sql = cast(SqlUnitOfWork, uow)
        rows = await sql.connection.execute(
            _TAKE, {"tenant": sql.tenant_id, "id": execution_id, "worker": worker, "lease": lease}
        )
        row = rows.one()
        return ClaimedRun(run_of(row), definition_of(row.definition))
