"""What the holders of executions write: claims, signs of life, ends. Every write after the claim names its epoch."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.application.scheduler.job_ports import AttemptWrite, ClaimedRun, Held, QueueLimits
from qs.domain.scheduler.job_execution import RunStatus
from qs.infra.postgres.roles import APP, SWEEPER
from qs.infra.scheduler.job_rows import CLAIM_COLUMNS, definition_of, json_or_null, run_of

_TAKEN = ", ".join(f"e.{column.strip()}" for column in CLAIM_COLUMNS.split(","))
_CLAIM = text(
    f"""
WITH next AS (
    SELECT id FROM job_execution
    WHERE tenant_id = :tenant AND status IN ('queued', 'retrying') AND available_at <= clock_timestamp()
      AND kind = ANY(CAST(:kinds AS text[])) AND queue <> ALL(CAST(:full AS text[]))
      AND (attempt > 0 OR start_before IS NULL OR start_before > clock_timestamp())
      AND (end_before IS NULL OR end_before > clock_timestamp())
    ORDER BY priority DESC, available_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE job_execution e SET status = 'running', worker = :worker, epoch = e.epoch + 1, attempt = e.attempt + 1,
        lease_until = clock_timestamp() + CAST(:lease AS interval),
        started_at = coalesce(e.started_at, clock_timestamp()), error = NULL
    FROM next WHERE e.tenant_id = :tenant AND e.id = next.id
    RETURNING {_TAKEN}
), begun AS (
    INSERT INTO job_attempt (tenant_id, execution_id, number, epoch, worker)
    SELECT :tenant, id, attempt, epoch, :worker FROM taken
)
SELECT * FROM taken ORDER BY priority DESC, available_at, id"""  # noqa: S608
)
_RUNNING = text(
    "SELECT queue, count(*) AS running FROM job_execution WHERE status = 'running'"
    " AND queue = ANY(CAST(:queues AS text[])) GROUP BY queue"
)
_RUNNING_HERE = text(
    "SELECT count(*) FROM job_execution WHERE tenant_id = :tenant AND status = 'running' AND NOT awaited"
)
_BEAT = text(
    """
UPDATE job_execution e SET lease_until = clock_timestamp() + CAST(:lease AS interval)
FROM unnest(CAST(:ids AS uuid[]), CAST(:epochs AS integer[])) AS h(id, epoch)
WHERE e.tenant_id = :tenant AND e.id = h.id AND e.epoch = h.epoch AND e.status = 'running' AND NOT e.awaited
RETURNING e.id, e.cancel_requested"""
)
_WRITE = text(
    """
WITH ends AS (
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:epochs AS integer[]), CAST(:numbers AS integer[]),
        CAST(:ends AS text[]), CAST(:statuses AS text[]), CAST(:codes AS text[]), CAST(:errors AS text[]),
        CAST(:results AS text[]), CAST(:again AS timestamptz[]), CAST(:awaited AS timestamptz[]))
        AS w(id, epoch, number, outcome, status, code, error, result, again_at, awaited_until)
), accepted AS (
    UPDATE job_execution e SET
        status = CASE WHEN w.status = 'retrying' THEN coalesce(e.cancel_requested, w.status) ELSE w.status END,
        error = w.error, result = w.result::jsonb, available_at = coalesce(w.again_at, e.available_at),
        awaited = w.awaited_until IS NOT NULL, lease_until = coalesce(w.awaited_until, e.lease_until),
        lost_attempts = e.lost_attempts + (w.outcome IS NOT DISTINCT FROM 'lost')::int,
        finished_at = CASE WHEN w.status = 'running' OR (w.status = 'retrying' AND e.cancel_requested IS NULL)
                           THEN NULL ELSE clock_timestamp() END
    FROM ends w
    WHERE e.tenant_id = :tenant AND e.id = w.id AND e.epoch = w.epoch AND e.status = 'running'
    RETURNING e.id, e.status, w.number, w.outcome, w.code, w.error AS told
), told AS (
    UPDATE job_attempt a SET finished_at = clock_timestamp(), outcome = x.outcome, code = x.code, error = x.told
    FROM accepted x
    WHERE a.tenant_id = :tenant AND a.execution_id = x.id AND a.number = x.number AND x.outcome IS NOT NULL
)
SELECT id, status FROM accepted"""
)
_GIVE_BACK = text(
    """
UPDATE job_execution e SET lease_until = clock_timestamp()
FROM unnest(CAST(:ids AS uuid[]), CAST(:epochs AS integer[])) AS h(id, epoch)
WHERE e.tenant_id = :tenant AND e.id = h.id AND e.epoch = h.epoch AND e.status = 'running' AND NOT e.awaited"""
)
# A holder may be frozen with the row locked; whoever looks for the lost waits for nobody and looks again.
_LOST = text(
    f"""
UPDATE job_execution e SET epoch = e.epoch + 1
FROM (SELECT id FROM job_execution
      WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) AND status = 'running'
        AND lease_until < clock_timestamp() FOR UPDATE SKIP LOCKED) AS lost
WHERE e.tenant_id = :tenant AND e.id = lost.id
RETURNING {_TAKEN}"""  # noqa: S608
)


class SqlHolding:
    """The part of RunRepository that holders use."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def claim(
        self, worker: str, limit: int, *, kinds: Sequence[str], limits: QueueLimits, lease: timedelta
    ) -> Sequence[ClaimedRun]:
        full: list[str] = []
        if limits.by_queue:
            room = await self._room(limits.by_queue)
            full = [queue for queue, left in room.items() if left <= 0]
        if limits.per_tenant is not None:
            await self._lock(f"tenant {self._tenant_id}")
            running = await self._connection.scalar(_RUNNING_HERE, {"tenant": self._tenant_id})
            limit = min(limit, limits.per_tenant - int(running))
        claimed: list[ClaimedRun] = []
        while limit > 0:
            # A limited queue gives no more than it has room for; the others share what is left.
            step = min([limit, *(left for left in room.values() if left > 0)]) if limits.by_queue else limit
            found = await self._claim(worker, step, kinds, full, lease)
            claimed += found
            limit -= len(found)
            if not limits.by_queue or len(found) < step:
                break
            for run in found:
                if run.execution.queue in room:
                    room[run.execution.queue] -= 1
            full = [queue for queue, left in room.items() if left <= 0]
        return claimed

    async def _claim(
        self, worker: str, limit: int, kinds: Sequence[str], full: Sequence[str], lease: timedelta
    ) -> list[ClaimedRun]:
        rows = await self._connection.execute(
            _CLAIM,
            {
                "tenant": self._tenant_id,
                "kinds": list(kinds),
                "full": list(full),
                "limit": limit,
                "worker": worker,
                "lease": lease,
            },
        )
        return [_claimed(row) for row in rows]

    async def _room(self, by_queue: Mapping[str, int]) -> dict[str, int]:
        """How many more may begin in each limited queue; nobody else claims from one until this commits."""
        for queue in sorted(by_queue):
            await self._lock(f"queue {queue}")
        # The limit is the cluster's, so all tenants count; this role sees that they run, and nothing else.
        await self._connection.execute(text(f"SET LOCAL ROLE {SWEEPER}"))
        rows = await self._connection.execute(_RUNNING, {"queues": list(by_queue)})
        running = {row.queue: row.running for row in rows}
        await self._connection.execute(text(f"SET LOCAL ROLE {APP}"))
        return {queue: most - running.get(queue, 0) for queue, most in by_queue.items()}

    async def _lock(self, name: str) -> None:
        await self._connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended('qs jobs ' || :name, 0))"), {"name": name}
        )

    async def beat(self, held: Sequence[Held], lease: timedelta) -> Mapping[UUID, RunStatus | None]:
        rows = await self._connection.execute(_BEAT, self._held(held) | {"lease": lease})
        return {
            row.id: None if row.cancel_requested is None else RunStatus(row.cancel_requested) for row in rows
        }

    async def write(self, ends: Sequence[AttemptWrite]) -> Mapping[UUID, RunStatus]:
        if not ends:
            return {}
        values: dict[str, Any] = {
            "tenant": self._tenant_id,
            "ids": [end.execution_id for end in ends],
            "epochs": [end.epoch for end in ends],
            "numbers": [end.number for end in ends],
            "ends": [None if end.end is None else end.end.value for end in ends],
            "statuses": [end.status.value for end in ends],
            "codes": [end.code for end in ends],
            "errors": [end.error for end in ends],
            "results": [json_or_null(end.result) for end in ends],
            "again": [end.again_at for end in ends],
            "awaited": [end.awaited_until for end in ends],
        }
        rows = await self._connection.execute(_WRITE, values)
        return {row.id: RunStatus(row.status) for row in rows}

    async def give_back(self, held: Sequence[Held]) -> None:
        await self._connection.execute(_GIVE_BACK, self._held(held))

    async def lost(self, execution_ids: Sequence[UUID]) -> Sequence[ClaimedRun]:
        rows = await self._connection.execute(_LOST, {"tenant": self._tenant_id, "ids": list(execution_ids)})
        return [_claimed(row) for row in rows]

    def _held(self, held: Sequence[Held]) -> dict[str, Any]:
        return {
            "tenant": self._tenant_id,
            "ids": [each.id for each in held],
            "epochs": [each.epoch for each in held],
        }


def _claimed(row: Any) -> ClaimedRun:
    return ClaimedRun(run_of(row), definition_of(row.definition))
