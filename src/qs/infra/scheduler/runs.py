"""Executions of jobs in PostgreSQL: how they are added, found and read; run_holding.py has what their holders write."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.application.scheduler.job_ports import ActiveRun, ClaimedRun, PlacedOutput, RunFilter
from qs.domain.scheduler.job import JobDefinition
from qs.domain.scheduler.job_execution import JobExecution, RunStatus
from qs.infra.scheduler.job_rows import (
    CLAIM_COLUMNS,
    RUN_COLUMNS,
    definition_of,
    json_text,
    run_of,
)
from qs.infra.scheduler.run_holding import SqlHolding

_ADD = text(
    """
INSERT INTO job_execution (tenant_id, id, job_id, job_name, kind, fired_by, actor, status, queue, priority, definition,
    payload, scheduled_at, available_at, start_before, end_before, stands_for, blocked_by, parent_id, idempotency_key,
    request_id, error, finished_at)
SELECT :tenant, r.id, r.job_id, r.job_name, r.kind, r.fired_by, r.actor, r.status, r.queue, r.priority,
    r.definition::jsonb, r.payload::jsonb, r.scheduled_at, r.available_at, r.start_before, r.end_before, r.stands_for,
    r.blocked_by, r.parent_id, r.idempotency_key, r.request_id, r.error,
    CASE WHEN r.status IN ('queued') THEN NULL ELSE clock_timestamp() END
FROM unnest(CAST(:ids AS uuid[]), CAST(:job_ids AS uuid[]), CAST(:job_names AS text[]), CAST(:kinds AS text[]),
    CAST(:fired_by AS text[]), CAST(:actors AS text[]), CAST(:statuses AS text[]), CAST(:queues AS text[]),
    CAST(:priorities AS smallint[]), CAST(:definitions AS text[]), CAST(:payloads AS text[]),
    CAST(:scheduled AS timestamptz[]), CAST(:available AS timestamptz[]), CAST(:start_before AS timestamptz[]),
    CAST(:end_before AS timestamptz[]), CAST(:stands_for AS integer[]), CAST(:blocked_by AS uuid[]),
    CAST(:parents AS uuid[]), CAST(:keys AS text[]), CAST(:request_ids AS text[]), CAST(:errors AS text[]))
    AS r(id, job_id, job_name, kind, fired_by, actor, status, queue, priority, definition, payload, scheduled_at,
         available_at, start_before, end_before, stands_for, blocked_by, parent_id, idempotency_key, request_id, error)"""
)
_ACTIVE = text(
    """
SELECT job_id, id, status, status = 'queued' AND available_at IS NULL AS waits FROM job_execution
WHERE tenant_id = :tenant AND job_id = ANY(CAST(:jobs AS uuid[])) AND status IN ('queued', 'running', 'retrying')
ORDER BY id"""
)
_RELEASE = text(
    """
UPDATE job_execution SET available_at = clock_timestamp()
WHERE tenant_id = :tenant AND id IN (
    SELECT DISTINCT ON (w.job_id) w.id FROM job_execution w
    WHERE w.tenant_id = :tenant AND w.job_id = ANY(CAST(:jobs AS uuid[])) AND w.status = 'queued'
      AND w.available_at IS NULL
      AND NOT EXISTS (SELECT FROM job_execution a
                      WHERE a.tenant_id = :tenant AND a.job_id = w.job_id
                        AND a.status IN ('queued', 'running', 'retrying')
                        AND NOT (a.status = 'queued' AND a.available_at IS NULL))
    ORDER BY w.job_id, w.id)"""
)
_WAITING_JOBS = text(
    """
SELECT DISTINCT w.job_id FROM job_execution w
WHERE w.tenant_id = :tenant AND w.status = 'queued' AND w.available_at IS NULL
  AND NOT EXISTS (SELECT FROM job_execution a
                  WHERE a.tenant_id = :tenant AND a.job_id = w.job_id AND a.status IN ('queued', 'running', 'retrying')
                    AND NOT (a.status = 'queued' AND a.available_at IS NULL))
LIMIT :limit"""
)
_OVERDUE = text(
    """
SELECT id FROM job_execution
WHERE tenant_id = :tenant AND ((status = 'queued' AND start_before < statement_timestamp())
                               OR (status IN ('queued', 'retrying') AND end_before < statement_timestamp()))
LIMIT :limit"""
)
_EXPIRE = text(
    """
UPDATE job_execution SET
    status = CASE WHEN status = 'queued' AND start_before < clock_timestamp() THEN 'expired' ELSE 'timed_out' END,
    error = CASE WHEN status = 'queued' AND start_before < clock_timestamp() THEN 'no worker began it in time'
                 ELSE 'the total time of the execution ran out' END,
    finished_at = clock_timestamp(), epoch = epoch + 1
WHERE tenant_id = :tenant AND id IN (
    SELECT id FROM job_execution
    WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))
      AND ((status = 'queued' AND start_before < clock_timestamp())
           OR (status IN ('queued', 'retrying') AND end_before < clock_timestamp()))
    FOR UPDATE SKIP LOCKED)
RETURNING id"""
)
_FIND = text(
    f"SELECT {CLAIM_COLUMNS} FROM job_execution WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"  # noqa: S608
)
_STOP = text(
    """
UPDATE job_execution SET
    status = CASE WHEN status = 'running' AND NOT awaited THEN status ELSE :as_ END,
    finished_at = CASE WHEN status = 'running' AND NOT awaited THEN NULL ELSE clock_timestamp() END,
    epoch = CASE WHEN status = 'running' AND NOT awaited THEN epoch ELSE epoch + 1 END,
    cancel_requested = coalesce(cancel_requested, :as_)
WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) AND status IN ('queued', 'running', 'retrying')
RETURNING id, status"""
)
_LATEST = text(
    f"""
SELECT r.* FROM unnest(CAST(:jobs AS uuid[])) AS j(job_id), LATERAL (
    SELECT {RUN_COLUMNS} FROM job_execution WHERE tenant_id = :tenant AND job_id = j.job_id ORDER BY id DESC LIMIT 1
) AS r"""  # noqa: S608
)
_RECENT = text(
    """
SELECT r.job_id, r.id, r.status FROM unnest(CAST(:jobs AS uuid[])) AS j(job_id), LATERAL (
    SELECT job_id, id, status FROM job_execution WHERE tenant_id = :tenant AND job_id = j.job_id
    ORDER BY id DESC LIMIT :size
) AS r ORDER BY r.job_id, r.id"""
)
_APPEND = text(
    """
INSERT INTO job_output (tenant_id, execution_id, position, attempt, stream, data)
SELECT :tenant, p.execution, p.position, p.attempt, p.stream, p.data
FROM unnest(CAST(:executions AS uuid[]), CAST(:epochs AS integer[]), CAST(:positions AS bigint[]),
    CAST(:attempts AS integer[]), CAST(:streams AS text[]), CAST(:data AS bytea[]))
    AS p(execution, epoch, position, attempt, stream, data)
WHERE EXISTS (SELECT FROM job_execution e WHERE e.tenant_id = :tenant AND e.id = p.execution AND e.epoch = p.epoch)
ON CONFLICT DO NOTHING"""
)
# The piece that holds the offset begins at it or before; pieces are at most so long, so that one look back finds it.
_OUTPUT = text(
    """
SELECT position, attempt, stream, data FROM job_output
WHERE tenant_id = :tenant AND execution_id = :execution AND position >= coalesce(
    (SELECT max(position) FROM job_output
     WHERE tenant_id = :tenant AND execution_id = :execution AND position <= :offset), 0)
ORDER BY position LIMIT :pieces"""
)
PIECE_BYTES = 16 * 1024


class SqlRuns(SqlHolding):
    """Implements RunRepository on an open connection."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        super().__init__(connection, tenant_id)

    async def add(self, runs: Sequence[tuple[JobExecution, JobDefinition]]) -> None:
        if not runs:
            return
        # One job's runs share a definition; it is written out once.
        written = {id(definition): json_text(definition) for _, definition in runs}
        executions = [execution for execution, _ in runs]
        await self._connection.execute(
            _ADD,
            {
                "tenant": self._tenant_id,
                "ids": [run.id for run in executions],
                "job_ids": [run.job_id for run in executions],
                "job_names": [run.job_name for run in executions],
                "kinds": [definition.target.kind for _, definition in runs],
                "fired_by": [run.fired_by.value for run in executions],
                "actors": [run.actor for run in executions],
                "statuses": [run.status.value for run in executions],
                "queues": [run.queue for run in executions],
                "priorities": [run.priority for run in executions],
                "definitions": [written[id(definition)] for _, definition in runs],
                "payloads": [json_text(run.payload) for run in executions],
                "scheduled": [run.scheduled_at for run in executions],
                "available": [run.available_at for run in executions],
                "start_before": [run.start_before for run in executions],
                "end_before": [run.end_before for run in executions],
                "stands_for": [run.stands_for for run in executions],
                "blocked_by": [run.blocked_by for run in executions],
                "parents": [run.parent_id for run in executions],
                "keys": [run.idempotency_key for run in executions],
                "request_ids": [run.request_id for run in executions],
                "errors": [run.error for run in executions],
            },
        )

    async def active(self, job_ids: Iterable[UUID]) -> Mapping[UUID, Sequence[ActiveRun]]:
        found: dict[UUID, list[ActiveRun]] = {}
        for row in await self._connection.execute(
            _ACTIVE, {"tenant": self._tenant_id, "jobs": list(job_ids)}
        ):
            found.setdefault(row.job_id, []).append(ActiveRun(row.id, RunStatus(row.status), row.waits))
        return found

    async def release(self, job_ids: Iterable[UUID]) -> int:
        done = await self._connection.execute(_RELEASE, {"tenant": self._tenant_id, "jobs": list(job_ids)})
        return done.rowcount

    async def waiting_jobs(self, limit: int) -> Sequence[UUID]:
        rows = await self._connection.execute(_WAITING_JOBS, {"tenant": self._tenant_id, "limit": limit})
        return [row.job_id for row in rows]

    async def overdue(self, limit: int) -> Sequence[UUID]:
        rows = await self._connection.execute(_OVERDUE, {"tenant": self._tenant_id, "limit": limit})
        return [row.id for row in rows]

    async def expire(self, execution_ids: Iterable[UUID]) -> Sequence[UUID]:
        rows = await self._connection.execute(
            _EXPIRE, {"tenant": self._tenant_id, "ids": list(execution_ids)}
        )
        return [row.id for row in rows]

    async def find(self, execution_ids: Iterable[UUID]) -> Sequence[ClaimedRun]:
        rows = await self._connection.execute(_FIND, {"tenant": self._tenant_id, "ids": list(execution_ids)})
        return [ClaimedRun(run_of(row), definition_of(row.definition)) for row in rows]

    async def stop(self, execution_ids: Iterable[UUID], as_: RunStatus) -> Mapping[UUID, RunStatus]:
        rows = await self._connection.execute(
            _STOP, {"tenant": self._tenant_id, "ids": list(execution_ids), "as_": as_.value}
        )
        return {row.id: RunStatus(row.status) for row in rows}

    async def get(self, execution_id: UUID, *, lock: bool = False) -> ClaimedRun | None:
        statement = f"SELECT {CLAIM_COLUMNS} FROM job_execution WHERE tenant_id = :tenant AND id = :id"  # noqa: S608
        rows = await self._connection.execute(
            text(statement + (" FOR UPDATE" if lock else "")),
            {"tenant": self._tenant_id, "id": execution_id},
        )
        row = rows.one_or_none()
        return None if row is None else ClaimedRun(run_of(row), definition_of(row.definition))

    async def by_key(self, job_id: UUID, key: str) -> JobExecution | None:
        rows = await self._connection.execute(
            text(
                f"SELECT {RUN_COLUMNS} FROM job_execution WHERE tenant_id = :tenant AND job_id = :job"  # noqa: S608
                " AND idempotency_key = :key ORDER BY id LIMIT 1"
            ),
            {"tenant": self._tenant_id, "job": job_id, "key": key},
        )
        row = rows.one_or_none()
        return None if row is None else run_of(row)

    async def list(self, where: RunFilter, *, before: UUID | None, size: int) -> Sequence[JobExecution]:
        values: dict[str, Any] = {"tenant": self._tenant_id, "size": size}
        conditions = ["tenant_id = :tenant"]
        for condition, key, value in (
            ("job_id = :job", "job", where.job_id),
            ("status = :status", "status", where.status and where.status.value),
            ("id < :before", "before", before),
        ):
            if value is not None:
                conditions.append(condition)
                values[key] = value
        rows = await self._connection.execute(
            text(
                f"SELECT {RUN_COLUMNS} FROM job_execution WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT :size"  # noqa: S608
            ),
            values,
        )
        return [run_of(row) for row in rows]

    async def latest(self, job_ids: Iterable[UUID]) -> Mapping[UUID, JobExecution]:
        rows = await self._connection.execute(_LATEST, {"tenant": self._tenant_id, "jobs": list(job_ids)})
        return {row.job_id: run_of(row) for row in rows}

    async def recent(
        self, job_ids: Iterable[UUID], size: int
    ) -> Mapping[UUID, Sequence[tuple[UUID, RunStatus]]]:
        found: dict[UUID, list[tuple[UUID, RunStatus]]] = {}
        given = {"tenant": self._tenant_id, "jobs": list(job_ids), "size": size}
        for row in await self._connection.execute(_RECENT, given):
            found.setdefault(row.job_id, []).append((row.id, RunStatus(row.status)))
        return found

    async def attempts(self, execution_id: UUID) -> Sequence[Mapping[str, Any]]:
        rows = await self._connection.execute(
            text(
                "SELECT number, epoch, worker, started_at, finished_at, outcome, code, error FROM job_attempt"
                " WHERE tenant_id = :tenant AND execution_id = :id ORDER BY number"
            ),
            {"tenant": self._tenant_id, "id": execution_id},
        )
        return [dict(row._mapping) for row in rows]

    async def append_output(self, pieces: Sequence[PlacedOutput]) -> None:
        await self._connection.execute(
            _APPEND,
            {
                "tenant": self._tenant_id,
                "executions": [piece.held.id for piece in pieces],
                "epochs": [piece.held.epoch for piece in pieces],
                "positions": [piece.position for piece in pieces],
                "attempts": [piece.attempt for piece in pieces],
                "streams": [piece.stream for piece in pieces],
                "data": [piece.data for piece in pieces],
            },
        )

    async def output_end(self, execution_id: UUID) -> int:
        found = await self._connection.scalar(
            text(
                "SELECT position + length(data) FROM job_output WHERE tenant_id = :tenant AND execution_id = :id"
                " ORDER BY position DESC LIMIT 1"
            ),
            {"tenant": self._tenant_id, "id": execution_id},
        )
        return int(found or 0)

    async def output(
        self, execution_id: UUID, offset: int, most: int
    ) -> Sequence[tuple[int, int, str, bytes]]:
        rows = await self._connection.execute(
            _OUTPUT,
            {
                "tenant": self._tenant_id,
                "execution": execution_id,
                "offset": offset,
                "pieces": most // PIECE_BYTES + 2,
            },
        )
        return [
            (row.position, row.attempt, row.stream, row.data)
            for row in rows
            if row.position + len(row.data) > offset
        ]
