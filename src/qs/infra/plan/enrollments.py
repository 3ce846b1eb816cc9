"""Enrollments in PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.application.plan.ports import Lock, Page
from qs.domain.plan.enrollment import Enrollment
from qs.domain.plan.errors import StaleVersion
from qs.infra.plan.mapping import ENROLLMENT_COLUMNS, enrollment_of, shifts_json

_ADD = text(
    """
INSERT INTO enrollment (id, tenant_id, plan_id, testee_id, round, start_date, shifts, tasks_left, status, created_at)
SELECT id, :tenant, plan_id, testee_id, round, start_date, '[]', tasks_left, 'active', created_at
FROM unnest(CAST(:ids AS uuid[]), CAST(:plans AS uuid[]), CAST(:testees AS uuid[]), CAST(:rounds AS integer[]),
            CAST(:starts AS date[]), CAST(:left AS integer[]), CAST(:created AS timestamptz[]))
     AS u(id, plan_id, testee_id, round, start_date, tasks_left, created_at)
"""
)

_SAVE = text(
    """
UPDATE enrollment e SET tasks_left = u.tasks_left, shifts = u.shifts::jsonb, status = u.status,
    paused_at = u.paused_at, resumed_at = u.resumed_at, reason = u.reason, ended_at = u.ended_at,
    version = e.version + 1
FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[]), CAST(:left AS integer[]), CAST(:shifts AS text[]),
            CAST(:statuses AS text[]), CAST(:paused AS timestamptz[]), CAST(:resumed AS timestamptz[]),
            CAST(:reasons AS text[]), CAST(:ended AS timestamptz[]))
     AS u(id, version, tasks_left, shifts, status, paused_at, resumed_at, reason, ended_at)
WHERE e.tenant_id = :tenant AND e.id = u.id AND e.version = u.version
"""
)


class SqlEnrollmentRepository:
    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def get(self, enrollment_id: UUID, lock: Lock = Lock.NONE) -> Enrollment | None:
        return await self._one(f"id = :id {lock}", {"id": enrollment_id})

    async def live(self, plan_id: UUID, testee_id: UUID) -> Enrollment | None:
        return await self._one(
            "plan_id = :plan AND testee_id = :testee AND status IN ('active', 'paused')",
            {"plan": plan_id, "testee": testee_id},
        )

    async def live_of_testee(self, testee_id: UUID) -> Sequence[UUID]:
        query = text(
            "SELECT id FROM enrollment WHERE tenant_id = :tenant AND testee_id = :testee"
            " AND status IN ('active', 'paused') ORDER BY id"
        )
        rows = await self._connection.scalars(query, {"tenant": self._tenant_id, "testee": testee_id})
        return list(rows)

    async def rounds_of(
        self, plan_id: UUID, testee_ids: Sequence[UUID]
    ) -> Mapping[UUID, Sequence[Enrollment]]:
        query = text(
            f"SELECT {ENROLLMENT_COLUMNS} FROM enrollment"  # noqa: S608
            " WHERE tenant_id = :tenant AND plan_id = :plan AND testee_id = ANY(CAST(:testees AS uuid[]))"
            " ORDER BY testee_id, round"
        )
        rows = await self._connection.execute(
            query, {"tenant": self._tenant_id, "plan": plan_id, "testees": list(testee_ids)}
        )
        found: dict[UUID, list[Enrollment]] = {}
        for row in rows:
            found.setdefault(row.testee_id, []).append(enrollment_of(row))
        return found

    async def live_batch(self, plan_id: UUID, after: UUID | None, size: int) -> Sequence[UUID]:
        query = text(
            "SELECT id FROM enrollment WHERE tenant_id = :tenant AND plan_id = :plan"
            " AND status IN ('active', 'paused') AND (CAST(:after AS uuid) IS NULL OR id > :after)"
            " ORDER BY id LIMIT :size"
        )
        rows = await self._connection.scalars(
            query, {"tenant": self._tenant_id, "plan": plan_id, "after": after, "size": size}
        )
        return list(rows)

    async def many(self, enrollment_ids: Iterable[UUID]) -> Mapping[UUID, Enrollment]:
        return await self._many(enrollment_ids, "")

    async def lock_many(self, enrollment_ids: Iterable[UUID]) -> Mapping[UUID, Enrollment]:
        return await self._many(enrollment_ids, "FOR NO KEY UPDATE")

    async def _many(self, enrollment_ids: Iterable[UUID], lock: str) -> Mapping[UUID, Enrollment]:
        query = text(
            f"SELECT {ENROLLMENT_COLUMNS} FROM enrollment"  # noqa: S608
            f" WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) ORDER BY id {lock}"
        )
        rows = await self._connection.execute(
            query, {"tenant": self._tenant_id, "ids": list(dict.fromkeys(enrollment_ids))}
        )
        return {row.id: enrollment_of(row) for row in rows}

    async def add_many(self, enrollments: Sequence[Enrollment]) -> None:
        if not enrollments:
            return
        await self._connection.execute(
            _ADD,
            {
                "tenant": self._tenant_id,
                "ids": [e.id for e in enrollments],
                "plans": [e.plan_id for e in enrollments],
                "testees": [e.testee_id for e in enrollments],
                "rounds": [e.round for e in enrollments],
                "starts": [e.start_date for e in enrollments],
                "left": [e.tasks_left for e in enrollments],
                "created": [e.created_at for e in enrollments],
            },
        )

    async def save_many(self, enrollments: Sequence[Enrollment]) -> None:
        if not enrollments:
            return
        done = await self._connection.execute(
            _SAVE,
            {
                "tenant": self._tenant_id,
                "ids": [e.id for e in enrollments],
                "versions": [e.version for e in enrollments],
                "left": [e.tasks_left for e in enrollments],
                "shifts": [shifts_json(e) for e in enrollments],
                "statuses": [e.status.value for e in enrollments],
                "paused": [e.paused_at for e in enrollments],
                "resumed": [e.resumed_at for e in enrollments],
                "reasons": [e.reason for e in enrollments],
                "ended": [e.ended_at for e in enrollments],
            },
        )
        if done.rowcount != len(enrollments):
            raise StaleVersion
        for enrollment in enrollments:
            enrollment.version += 1

    async def list(self, plan_id: UUID, page: Page, status: str | None) -> tuple[Sequence[Enrollment], int]:
        where = (
            "FROM enrollment WHERE tenant_id = :tenant AND plan_id = :plan"
            " AND (CAST(:status AS text) IS NULL OR status = :status)"
        )
        parameters: dict[str, Any] = {"tenant": self._tenant_id, "plan": plan_id, "status": status}
        total = await self._connection.scalar(text(f"SELECT count(*) {where}"), parameters)
        rows = await self._connection.execute(
            text(f"SELECT {ENROLLMENT_COLUMNS} {where} ORDER BY id DESC LIMIT :size OFFSET :skip"),
            parameters | {"size": page.size, "skip": (page.number - 1) * page.size},
        )
        return [enrollment_of(row) for row in rows], total or 0

    async def _one(self, where: str, parameters: dict[str, Any]) -> Enrollment | None:
        query = text(f"SELECT {ENROLLMENT_COLUMNS} FROM enrollment WHERE tenant_id = :tenant AND {where}")  # noqa: S608
        row = (await self._connection.execute(query, parameters | {"tenant": self._tenant_id})).one_or_none()
        return enrollment_of(row) if row else None
