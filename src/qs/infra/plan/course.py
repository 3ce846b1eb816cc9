"""The course of enrollments, and which tasks make up a figure, for the context that counts them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.infra.plan.recounting import BORN_CANCELED
from qs.infra.postgres.unit_of_work import SqlUnitOfWork

_OCCASIONS = text(
    """
SELECT enrollment_id, planned_at, timezone, status, opened_at, expires_at,
    coalesce(completed_at, expired_at, canceled_at) AS ended_at
FROM task WHERE tenant_id = :tenant AND plan_id = :plan AND NOT dropped ORDER BY enrollment_id, planned_at, seq
"""
)
_KNOWN = {
    "tenant": "SELECT 1 FROM tenant WHERE id = :tenant AND id::text = :key",
    "plan": "SELECT 1 FROM plan WHERE tenant_id = :tenant AND id = CAST(:key AS uuid)",
    "scale": "SELECT 1 FROM scale WHERE tenant_id = :tenant AND code = :key",
    "testee": "SELECT 1 FROM testee WHERE tenant_id = :tenant AND id = CAST(:key AS uuid)",
}
_OF_KEY = {
    "tenant": "true",
    "plan": "plan_id = CAST(:key AS uuid)",
    "scale": "scale_code = :key",
    "testee": "testee_id = CAST(:key AS uuid)",
}
# The instant that decides the date, and what else must be true; the same as in a recount.
_FIGURES = {
    "opened": ("opened_at", "true"),
    "completed": ("completed_at", "true"),
    "on_time": ("completed_at", "completed_at <= due_at"),
    "expired": ("expired_at", "reason <> 'missed'"),
    "missed": ("expired_at", "reason = 'missed'"),
    "canceled": ("canceled_at", f"NOT ({BORN_CANCELED})"),
    "canceled_open": ("canceled_at", "opened_at IS NOT NULL"),
    "followup_completed": ("completed_at", "seq > 1"),
    "followup_expired": ("expired_at", "seq > 1 AND reason <> 'missed'"),
}
_ENROLLED = """
SELECT e.id FROM enrollment e JOIN plan p ON p.tenant_id = e.tenant_id AND p.id = e.plan_id
WHERE e.tenant_id = :tenant AND {whose} AND {when} AND e.id > :after ORDER BY e.id LIMIT :limit
"""
_TASKS = """
SELECT id FROM task
WHERE tenant_id = :tenant AND {at} IS NOT NULL AND {whose} AND {what} AND {when} AND id > :after
ORDER BY id LIMIT :limit
"""
_NONE = UUID(int=0)


class CourseRow(NamedTuple):
    """One occasion of an enrollment."""

    planned_at: datetime
    timezone: str
    status: str
    opened_at: datetime | None
    expires_at: datetime | None
    ended_at: datetime | None


class SqlCourse:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def knows(self, tenant_id: UUID, dimension: str, key: str) -> bool:
        """Whether there is such a tenant, plan, scale or testee, those that were erased among them.

        Ids are known as UUIDs are written, in lower case and with hyphens.
        """
        if dimension != "scale" and not _is_id(key):
            return False
        async with SqlUnitOfWork(self._engine, tenant_id) as uow:
            given = {"tenant": tenant_id, "key": key}
            return await uow.connection.scalar(text(_KNOWN[dimension]), given) is not None

    async def occasions(self, tenant_id: UUID, plan_id: UUID) -> Mapping[UUID, Sequence[CourseRow]]:
        """The occasions of each enrollment of a plan in order of their planned instants."""
        async with SqlUnitOfWork(self._engine, tenant_id) as uow:
            rows = await uow.connection.execute(_OCCASIONS, {"tenant": tenant_id, "plan": plan_id})
        found: dict[UUID, list[CourseRow]] = {}
        for enrollment_id, *occasion in rows.all():
            found.setdefault(enrollment_id, []).append(CourseRow(*occasion))
        return found

    async def behind(
        self,
        tenant_id: UUID,
        dimension: str,
        key: str,
        metric: str,
        stretches: Sequence[tuple[datetime, datetime]] | None,
        after: UUID | None,
        limit: int,
    ) -> Sequence[UUID]:
        """Ids of tasks, or for ``enrolled`` of enrollments, in their order; of the given stretches of time only."""
        statement, values = _statement(dimension, metric, stretches)
        given = {"tenant": tenant_id, "key": key, "after": after or _NONE, "limit": limit} | values
        async with SqlUnitOfWork(self._engine, tenant_id) as uow:
            return list(await uow.connection.scalars(text(statement), given))


def _is_id(key: str) -> bool:
    try:
        return str(UUID(key)) == key
    except ValueError:
        return False


def _statement(
    dimension: str, metric: str, stretches: Sequence[tuple[datetime, datetime]] | None
) -> tuple[str, dict[str, Any]]:
    whose, values = _OF_KEY[dimension], dict[str, Any]()
    name, _, reason = metric.partition(":")
    if name == "enrolled":
        whose = whose.replace("plan_id", "e.plan_id").replace("testee_id", "e.testee_id")
        when = _when("e.created_at", stretches, values)
        return _ENROLLED.format(whose=whose.replace("scale_code", "p.scale_code"), when=when), values
    at, what = _FIGURES[name]
    if reason:
        what, values["reason"] = f"{what} AND reason = :reason", reason
    return _TASKS.format(at=at, whose=whose, what=what, when=_when(at, stretches, values)), values


def _when(at: str, stretches: Sequence[tuple[datetime, datetime]] | None, values: dict[str, Any]) -> str:
    if stretches is None:
        return "true"
    parts = []
    for number, (start, end) in enumerate(stretches):
        values |= {f"start_{number}": start, f"end_{number}": end}
        parts.append(f"{at} >= :start_{number} AND {at} < :end_{number}")
    return "(" + " OR ".join(parts or ["false"]) + ")"
