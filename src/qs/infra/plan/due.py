"""The sweep's own reads and writes.

Race with a pause, step by step. 1. The candidate query locks tasks that looked sweepable in its snapshot. 2. A pause
of the plan or enrollment may have committed between that snapshot and the lock. 3. So the states are read once more
after the lock: the plan row is shared-locked (and skipped, never waited for, while a command holds it), and a paused
enrollment is looked up afresh. 4. A pause of an enrollment locks its tasks first, so it either is visible in step 3
or waits for this transaction.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.application.plan.ports import Claim
from qs.domain.plan.errors import StaleVersion
from qs.domain.plan.task import AssessmentTask, TaskStatus

Position = tuple[datetime, UUID] | None

_CANDIDATE = """
    t.id, t.plan_id, t.enrollment_id, t.testee_id, t.scale_code, t.seq, t.planned_at, t.timezone,
    t.due_at, t.closes_at, t.version
"""

# A newer due occasion makes an older one superfluous where the plan asks only for the latest.
_SUPERSEDED = """
    (t.plan_id IN (SELECT id FROM plan WHERE tenant_id = :tenant AND catch_up = 'latest') AND EXISTS (
        SELECT FROM task n WHERE n.tenant_id = t.tenant_id AND n.enrollment_id = t.enrollment_id AND NOT n.dropped
        AND (n.planned_at, n.seq) > (t.planned_at, t.seq) AND n.planned_at <= :newer AND n.status <> 'canceled'))
"""

# Pending tasks belong to active and paused enrollments only. What keeps a task from moving is asked as sets, each
# hashed once, so that the tasks' index is read in order and no further than the batch. A join would let the planner
# sort everything that is due for every batch or, before there are statistics, compare all with all.
_SWEEPABLE = """
    FROM task t
    WHERE t.tenant_id = :tenant AND t.status = 'pending'
    AND t.plan_id NOT IN (SELECT id FROM plan WHERE tenant_id = :tenant AND status <> 'active')
    AND t.enrollment_id NOT IN (SELECT id FROM enrollment WHERE tenant_id = :tenant AND status = 'paused')
    AND (t.next_attempt_at IS NULL OR t.next_attempt_at <= clock_timestamp())
"""

_OPENABLE = f"""
    {_SWEEPABLE} AND t.planned_at <= :until AND (t.closes_at IS NULL OR t.closes_at > :now) AND NOT {_SUPERSEDED}
"""
_MISSABLE = f"""
    {_SWEEPABLE} AND t.planned_at <= :until AND (t.closes_at <= :until OR {_SUPERSEDED})
"""
_EXPIRABLE = """
    FROM task t WHERE t.tenant_id = :tenant AND t.status = 'opened' AND t.expires_at <= :until
    AND (t.next_attempt_at IS NULL OR t.next_attempt_at <= clock_timestamp())
"""


class _Claiming:
    """The statement that claims from the beginning, and the one that goes on after a position."""

    def __init__(self, columns: str, source: str, instant: str) -> None:
        end = f"ORDER BY t.{instant}, t.id LIMIT :size FOR UPDATE OF t SKIP LOCKED"
        self._first = text(f"SELECT {columns} {source} {end}")
        self._next = text(f"SELECT {columns} {source} AND (t.{instant}, t.id) > (:after_at, :after_id) {end}")

    def after(self, position: Position) -> tuple[TextClause, dict[str, Any]]:
        if position is None:
            return self._first, {}
        return self._next, {"after_at": position[0], "after_id": position[1]}


_CLAIM_OPENABLE = _Claiming(_CANDIDATE, _OPENABLE, "planned_at")
_CLAIM_MISSABLE = _Claiming(_CANDIDATE, _MISSABLE, "planned_at")
_CLAIM_EXPIRABLE = _Claiming(f"{_CANDIDATE}, t.opened_at, t.expires_at", _EXPIRABLE, "expires_at")

_ACTIVE_PLANS = text(
    "SELECT id, entry_ttl_days FROM plan WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"
    " AND status = 'active' FOR SHARE SKIP LOCKED"
)
_PAUSED_ENROLLMENTS = text(
    "SELECT id FROM enrollment WHERE tenant_id = :tenant AND status = 'paused' AND id = ANY(CAST(:ids AS uuid[]))"
)

_SAVE_OPENED = text(
    """
UPDATE task t SET status = 'opened', opened_at = :at, expires_at = u.expires_at, entry_keys = ARRAY[:key],
    attempts = 0, last_error = NULL, next_attempt_at = NULL, version = t.version + 1
FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[]), CAST(:expires AS timestamptz[]))
     AS u(id, version, expires_at)
WHERE t.tenant_id = :tenant AND t.id = u.id AND t.version = u.version AND t.status = 'pending'
"""
)
_SAVE_EXPIRED = text(
    """
UPDATE task t SET status = 'expired', expired_at = :at, reason = :reason, version = t.version + 1
FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[])) AS u(id, version)
WHERE t.tenant_id = :tenant AND t.id = u.id AND t.version = u.version AND t.status IN ('pending', 'opened')
"""
)
# Only the first failure goes into the history, which would otherwise grow with every attempt.
_RECORD_FAILURE = text(
    """
UPDATE task SET attempts = attempts + 1, last_error = :error, version = version + 1,
    history = CASE WHEN attempts > 0 THEN history ELSE history || jsonb_build_object(
        'at', to_char(qs_now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'fact', 'sweep_failed', 'actor', 'sweep', 'reason', CAST(:error AS text)) END,
    next_attempt_at = clock_timestamp() + least(interval '30 seconds' * power(2, least(attempts, 7)), interval '1 hour')
WHERE tenant_id = :tenant AND id = :id AND status IN ('pending', 'opened')
"""
)


class SqlDueTasks:
    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def openable(self, until: datetime, now: datetime, after: Position, size: int) -> Claim:
        rows = await self._claimed(_CLAIM_OPENABLE, after, size, until=until, now=now, newer=now)
        tasks = await self._still_active(rows)
        last = (rows[-1].planned_at, rows[-1].id) if rows else after
        return Claim(tasks, len(rows) < size, last, len(rows) - len(tasks))

    async def missable(self, until: datetime, after: Position, size: int) -> Claim:
        rows = await self._claimed(_CLAIM_MISSABLE, after, size, until=until, newer=until)
        tasks = await self._still_active(rows)
        last = (rows[-1].planned_at, rows[-1].id) if rows else after
        return Claim(tasks, len(rows) < size, last, len(rows) - len(tasks))

    async def expirable(self, until: datetime, after: Position, size: int) -> Claim:
        rows = await self._claimed(_CLAIM_EXPIRABLE, after, size, until=until)
        tasks = [(_opened(self._tenant_id, row), 0) for row in rows]
        return Claim(tasks, len(rows) < size, (rows[-1].expires_at, rows[-1].id) if rows else after)

    async def save_opened(self, tasks: Sequence[AssessmentTask]) -> None:
        for (at, keys), alike in groupby(tasks, key=lambda task: (task.opened_at, task.entry_keys)):
            moved = list(alike)
            await self._save(_SAVE_OPENED, moved, at=at, key=keys[0], expires=[t.expires_at for t in moved])

    async def save_expired(self, tasks: Sequence[AssessmentTask]) -> None:
        for (at, reason), alike in groupby(tasks, key=lambda task: (task.expired_at, task.reason)):
            await self._save(_SAVE_EXPIRED, list(alike), at=at, reason=reason)

    async def record_failure(self, task_id: UUID, error: str) -> None:
        await self._connection.execute(
            _RECORD_FAILURE, {"tenant": self._tenant_id, "id": task_id, "error": error[:500]}
        )

    async def remaining(self, until: datetime, now: datetime, *, expiry_only: bool) -> int:
        counted = [(_EXPIRABLE, {"until": until})]
        if not expiry_only:
            counted.append((_OPENABLE, {"until": until, "now": now, "newer": now}))
            counted.append((_MISSABLE, {"until": until, "newer": until}))
        total = 0
        for source, parameters in counted:
            query = text(f"SELECT count(*) {source}")
            total += await self._connection.scalar(query, parameters | {"tenant": self._tenant_id}) or 0
        return total

    async def _claimed(
        self, claiming: _Claiming, after: Position, size: int, **values: datetime
    ) -> Sequence[Any]:
        query, position = claiming.after(after)
        parameters = {"tenant": self._tenant_id, "size": size, **values, **position}
        return (await self._connection.execute(query, parameters)).all()

    async def _still_active(self, rows: Sequence[Any]) -> list[tuple[AssessmentTask, int]]:
        """The tasks whose plan and enrollment are active, each with its plan's entry_ttl_days."""
        if not rows:
            return []
        plans = await self._connection.execute(
            _ACTIVE_PLANS, {"tenant": self._tenant_id, "ids": sorted({row[1] for row in rows})}
        )
        ttl_days: dict[UUID, int] = {row.id: row.entry_ttl_days for row in plans}
        paused = set(
            await self._connection.scalars(
                _PAUSED_ENROLLMENTS, {"tenant": self._tenant_id, "ids": list({row[2] for row in rows})}
            )
        )
        return [
            (_pending(self._tenant_id, row), ttl_days[row[1]])
            for row in rows
            if row[1] in ttl_days and row[2] not in paused
        ]

    async def _save(self, statement: Any, tasks: Sequence[AssessmentTask], **values: Any) -> None:
        parameters = {
            "tenant": self._tenant_id,
            "ids": [t.id for t in tasks],
            "versions": [t.version for t in tasks],
        }
        done = await self._connection.execute(statement, parameters | values)
        if done.rowcount != len(tasks):
            raise StaleVersion


def _pending(tenant_id: UUID, row: Sequence[Any]) -> AssessmentTask:
    task = AssessmentTask(row[0], tenant_id, *row[1:10])
    task.version = row[10]
    return task


def _opened(tenant_id: UUID, row: Sequence[Any]) -> AssessmentTask:
    task = _pending(tenant_id, row)
    task.status, task.opened_at, task.expires_at = TaskStatus.OPENED, row[11], row[12]
    return task
