"""The busiest read: one task in one round trip."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from qs.domain.plan.task import AssessmentTask
from qs.infra.plan.mapping import task_of
from qs.infra.plan.tasks import READ_ONE


class SqlOneTask:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def __call__(self, tenant_id: UUID, task_id: UUID) -> AssessmentTask | None:
        raw = await self._engine.raw_connection()
        try:
            assert raw.driver_connection is not None
            row = await raw.driver_connection.fetchrow(READ_ONE, str(tenant_id), task_id)
        finally:
            raw.close()
        return task_of(row) if row is not None else None
