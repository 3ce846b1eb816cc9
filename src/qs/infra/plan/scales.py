"""The scale catalogue in PostgreSQL."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.application.plan.ports import Page
from qs.domain.plan.scale import Scale
from qs.infra.plan import tables
from qs.infra.plan.mapping import scale_of


class SqlScaleRepository:
    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def get(self, code: str) -> Scale | None:
        query = select(tables.scale).where(
            tables.scale.c.tenant_id == self._tenant_id, tables.scale.c.code == code
        )
        row = (await self._connection.execute(query)).one_or_none()
        return scale_of(row) if row else None

    async def list(self, page: Page) -> tuple[Sequence[Scale], int]:
        mine = tables.scale.c.tenant_id == self._tenant_id
        query = select(tables.scale).where(mine).order_by(tables.scale.c.code)
        rows = await self._connection.execute(query.limit(page.size).offset((page.number - 1) * page.size))
        total = await self._connection.scalar(select(func.count()).select_from(tables.scale).where(mine))
        return [scale_of(row) for row in rows], total or 0

    async def add(self, scale: Scale) -> bool:
        statement = insert(tables.scale).values(
            tenant_id=self._tenant_id,
            code=scale.code,
            title=scale.title,
            version=scale.version,
            published=scale.published,
            created_at=scale.created_at,
        )
        done = await self._connection.execute(statement.on_conflict_do_nothing())
        return done.rowcount == 1
