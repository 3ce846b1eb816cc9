"""Tasks in PostgreSQL: single ones by the domain's rules, many by set-based writes."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.application.plan.ports import Lock, Slice, TaskFilter
from qs.domain.plan.errors import StaleVersion
from qs.domain.plan.task import AssessmentTask
from qs.infra.plan.mapping import TASK_COLUMNS, prefixed, task_of

_NEW_COLUMNS = {
    "id": "uuid",
    "plan_id": "uuid",
    "enrollment_id": "uuid",
    "testee_id": "uuid",
    "scale_code": "text",
    "seq": "integer",
    "planned_at": "timestamptz",
    "timezone": "text",
    "due_at": "timestamptz",
    "closes_at": "timestamptz",
    "status": "text",
    "canceled_at": "timestamptz",
    "reason": "text",
    "schedule_revision": "integer",
    "created_at": "timestamptz",
}
_NAMES = ", ".join(_NEW_COLUMNS)
_new_row = attrgetter(*_NEW_COLUMNS)

# From here on a COPY into a temporary table beats arrays; COPY straight into a table under row-level
# security is refused by PostgreSQL.
_COPY_FROM_ROWS = 1000

_ADD_ARRAYS = text(
    f"INSERT INTO task (tenant_id, {_NAMES}) SELECT :tenant, {_NAMES} FROM unnest("  # noqa: S608
    + ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _NEW_COLUMNS.items())
    + f") AS u({_NAMES})"
)
_TEMPORARY = text(
    "CREATE TEMPORARY TABLE IF NOT EXISTS new_task ("
    + ", ".join(f"{name} {kind}" for name, kind in _NEW_COLUMNS.items())
    + ") ON COMMIT DELETE ROWS"
)
_ADD_COPIED = text(f"INSERT INTO task (tenant_id, {_NAMES}) SELECT :tenant, {_NAMES} FROM new_task")  # noqa: S608

_SAVE = text(
    """
UPDATE task t SET planned_at = u.planned_at, timezone = u.timezone, due_at = u.due_at, closes_at = u.closes_at,
    status = u.status, opened_at = u.opened_at, expires_at = u.expires_at, completed_at = u.completed_at,
    expired_at = u.expired_at, canceled_at = u.canceled_at, reason = u.reason, note = u.note, pinned = u.pinned,
    dropped = u.dropped, assessment_id = u.assessment_id, schedule_revision = u.schedule_revision,
    entry_keys = string_to_array(u.entry_keys, ' '), attempts = u.attempts, last_error = u.last_error,
    next_attempt_at = u.next_attempt_at, history = u.history::jsonb, version = t.version + 1
FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[]), CAST(:planned AS timestamptz[]),
            CAST(:zones AS text[]), CAST(:due AS timestamptz[]), CAST(:closes AS timestamptz[]),
            CAST(:statuses AS text[]), CAST(:opened AS timestamptz[]), CAST(:expires AS timestamptz[]),
            CAST(:completed AS timestamptz[]), CAST(:expired AS timestamptz[]), CAST(:canceled AS timestamptz[]),
            CAST(:reasons AS text[]), CAST(:notes AS text[]), CAST(:pinned AS boolean[]),
            CAST(:dropped AS boolean[]), CAST(:assessments AS text[]), CAST(:revisions AS integer[]),
            CAST(:keys AS text[]), CAST(:attempts AS integer[]), CAST(:errors AS text[]),
            CAST(:next AS timestamptz[]), CAST(:history AS text[]))
     AS u(id, version, planned_at, timezone, due_at, closes_at, status, opened_at, expires_at, completed_at,
          expired_at, canceled_at, reason, note, pinned, dropped, assessment_id, schedule_revision, entry_keys,
          attempts, last_error, next_attempt_at, history)
WHERE t.tenant_id = :tenant AND t.id = u.id AND t.version = u.version
"""
)

_FILTERS = {
    "plan_id": "plan_id = :plan_id",
    "testee_id": "testee_id = :testee_id",
    "enrollment_id": "enrollment_id = :enrollment_id",
    "status": "status = :status",
    "planned_from": "planned_at >= :planned_from",
    "planned_to": "planned_at < :planned_to",
    "expires_before": "expires_at < :expires_before",
}

_LIST = f"SELECT {TASK_COLUMNS} FROM task WHERE {{}} ORDER BY planned_at, id LIMIT :size"  # noqa: S608
# Of the whole tenant no index has the order; but each plan's has, and the first of all are among the first of each.
_LIST_OVER_PLANS = f"""
WITH first AS (
    SELECT t.planned_at, t.id FROM plan CROSS JOIN LATERAL (
        SELECT planned_at, id FROM task WHERE {{}} AND task.plan_id = plan.id ORDER BY planned_at, id LIMIT :size
    ) AS t
    WHERE plan.tenant_id = :tenant ORDER BY t.planned_at, t.id LIMIT :size
)
SELECT {prefixed(TASK_COLUMNS, "task")} FROM first JOIN task ON task.tenant_id = :tenant AND task.id = first.id
ORDER BY first.planned_at, first.id"""  # noqa: S608
_NARROW = {"plan_id", "testee_id", "enrollment_id"}
# These have an index of their own, by the order or with few entries.
_INDEXED = ("pending", "opened")

# The tenant is set and the task read in one round trip. Should the planner ever read the task first, no
# tenant would be set yet and row-level security would hide the row: it can miss, never leak.
READ_ONE = f"""
SELECT t.* FROM (SELECT set_config('qs.tenant_id', $1, true) AS tenant OFFSET 0) s
CROSS JOIN LATERAL (
    SELECT {TASK_COLUMNS} FROM task WHERE task.tenant_id = s.tenant::uuid AND task.id = $2 OFFSET 0
) t
"""  # noqa: S608


class SqlTaskRepository:
    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def get(self, task_id: UUID, lock: Lock = Lock.NONE) -> AssessmentTask | None:
        query = text(f"SELECT {TASK_COLUMNS} FROM task WHERE tenant_id = :tenant AND id = :id {lock}")  # noqa: S608
        row = (
            await self._connection.execute(query, {"tenant": self._tenant_id, "id": task_id})
        ).one_or_none()
        return task_of(row) if row else None

    async def of_enrollments(
        self, enrollment_ids: Sequence[UUID], lock: Lock = Lock.NONE, *, dropped: bool = False
    ) -> Sequence[AssessmentTask]:
        order = "id" if lock else "enrollment_id, seq"
        query = text(
            f"SELECT {TASK_COLUMNS} FROM task WHERE tenant_id = :tenant"  # noqa: S608
            f" AND enrollment_id = ANY(CAST(:ids AS uuid[])) {'' if dropped else 'AND NOT dropped'}"
            f" ORDER BY {order} {lock}"
        )
        rows = await self._connection.execute(query, {"tenant": self._tenant_id, "ids": list(enrollment_ids)})
        return [task_of(row) for row in rows]

    async def add_many(self, tasks: Sequence[AssessmentTask]) -> None:
        if not tasks:
            return
        if len(tasks) < _COPY_FROM_ROWS:
            columns = zip(*map(_new_row, tasks), strict=True)
            parameters: dict[str, Any] = dict(zip(_NEW_COLUMNS, map(list, columns), strict=True))
            await self._connection.execute(_ADD_ARRAYS, parameters | {"tenant": self._tenant_id})
            return
        await self._connection.execute(_TEMPORARY)
        raw = await self._connection.get_raw_connection()
        driver = raw.driver_connection
        assert driver is not None
        await driver.copy_records_to_table(
            "new_task", records=map(_new_row, tasks), columns=list(_NEW_COLUMNS)
        )
        await self._connection.execute(_ADD_COPIED, {"tenant": self._tenant_id})
        await self._connection.execute(text("TRUNCATE new_task"))

    async def save_many(self, tasks: Sequence[AssessmentTask]) -> None:
        if not tasks:
            return
        done = await self._connection.execute(
            _SAVE,
            {
                "tenant": self._tenant_id,
                "ids": [t.id for t in tasks],
                "versions": [t.version for t in tasks],
                "planned": [t.planned_at for t in tasks],
                "zones": [t.timezone for t in tasks],
                "due": [t.due_at for t in tasks],
                "closes": [t.closes_at for t in tasks],
                "statuses": [t.status.value for t in tasks],
                "opened": [t.opened_at for t in tasks],
                "expires": [t.expires_at for t in tasks],
                "completed": [t.completed_at for t in tasks],
                "expired": [t.expired_at for t in tasks],
                "canceled": [t.canceled_at for t in tasks],
                "reasons": [t.reason for t in tasks],
                "notes": [t.note for t in tasks],
                "pinned": [t.pinned for t in tasks],
                "dropped": [t.dropped for t in tasks],
                "assessments": [t.assessment_id for t in tasks],
                "revisions": [t.schedule_revision for t in tasks],
                "keys": [" ".join(t.entry_keys) for t in tasks],
                "attempts": [t.attempts for t in tasks],
                "errors": [t.last_error for t in tasks],
                "next": [t.next_attempt_at for t in tasks],
                "history": [msgspec.json.encode(t.history).decode() for t in tasks],
            },
        )
        if done.rowcount != len(tasks):
            raise StaleVersion
        for task in tasks:
            task.version += 1

    async def list(self, where: TaskFilter, page: Slice) -> Sequence[AssessmentTask]:
        given = {name: value for name in _FILTERS if (value := getattr(where, name)) is not None}
        conditions = ["tenant_id = :tenant", *(_FILTERS[name] for name in given)]
        parameters: dict[str, Any] = given | {"tenant": self._tenant_id, "size": page.size}
        if page.after is not None:
            conditions.append("(planned_at, id) > (:after_at, :after_id)")
            parameters["after_at"], parameters["after_id"] = page.after
        chosen = " AND ".join(conditions)
        query = (_LIST if given.keys() & _NARROW or where.status in _INDEXED else _LIST_OVER_PLANS).format(
            chosen
        )
        return [task_of(row) for row in await self._connection.execute(text(query), parameters)]
