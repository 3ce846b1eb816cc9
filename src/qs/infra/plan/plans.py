"""Plans in PostgreSQL."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.application.plan.ports import Lock, Page
from qs.domain.plan.errors import StaleVersion
from qs.domain.plan.plan import AssessmentPlan, PlanStatus
from qs.infra.plan import tables
from qs.infra.plan.mapping import PLAN_COLUMNS, plan_of, plan_values


class SqlPlanRepository:
    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def get(self, plan_id: UUID, lock: Lock = Lock.NONE) -> AssessmentPlan | None:
        query = text(f"SELECT {PLAN_COLUMNS} FROM plan WHERE tenant_id = :tenant AND id = :id {lock}")  # noqa: S608
        row = (
            await self._connection.execute(query, {"tenant": self._tenant_id, "id": plan_id})
        ).one_or_none()
        return plan_of(row) if row else None

    async def add(self, plan: AssessmentPlan) -> None:
        await self._connection.execute(insert(tables.plan).values(**plan_values(plan), version=1))

    async def save(self, plan: AssessmentPlan) -> None:
        statement = (
            update(tables.plan)
            .where(
                tables.plan.c.tenant_id == self._tenant_id,
                tables.plan.c.id == plan.id,
                tables.plan.c.version == plan.version,
            )
            .values(**plan_values(plan), version=plan.version + 1)
        )
        if (await self._connection.execute(statement)).rowcount != 1:
            raise StaleVersion
        plan.version += 1

    async def has_enrollments(self, plan_id: UUID) -> bool:
        found = exists().where(
            tables.enrollment.c.tenant_id == self._tenant_id, tables.enrollment.c.plan_id == plan_id
        )
        return bool(await self._connection.scalar(select(found)))

    async def list(
        self, page: Page, status: str | None, scale_code: str | None
    ) -> tuple[Sequence[AssessmentPlan], int]:
        where = [tables.plan.c.tenant_id == self._tenant_id]
        if status is not None:
            where.append(tables.plan.c.status == status)
        if scale_code is not None:
            where.append(tables.plan.c.scale_code == scale_code)
        return await self._page(where, page)

    async def of_testee(self, testee_id: UUID, page: Page) -> tuple[Sequence[AssessmentPlan], int]:
        follows = exists().where(
            tables.enrollment.c.tenant_id == self._tenant_id,
            tables.enrollment.c.plan_id == tables.plan.c.id,
            tables.enrollment.c.testee_id == testee_id,
        )
        return await self._page([tables.plan.c.tenant_id == self._tenant_id, follows], page)

    async def count_active(self) -> int:
        query = (
            select(func.count())
            .select_from(tables.plan)
            .where(
                tables.plan.c.tenant_id == self._tenant_id, tables.plan.c.status == PlanStatus.ACTIVE.value
            )
        )
        return await self._connection.scalar(query) or 0

    async def _page(
        self, where: Sequence[ColumnElement[bool]], page: Page
    ) -> tuple[Sequence[AssessmentPlan], int]:
        query = select(tables.plan).where(*where).order_by(tables.plan.c.id.desc())
        rows = await self._connection.execute(query.limit(page.size).offset((page.number - 1) * page.size))
        total = await self._connection.scalar(select(func.count()).select_from(tables.plan).where(*where))
        return [plan_of(row) for row in rows], total or 0
