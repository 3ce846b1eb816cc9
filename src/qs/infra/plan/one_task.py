"""The busiest read: one task in one round trip."""

from contextlib import suppress
from uuid import UUID

from asyncpg import InterfaceError, InternalClientError
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.domain.plan.task import AssessmentTask
from qs.infra.plan.mapping import task_of
from qs.infra.plan.tasks import READ_ONE

_STALE_AT_MOST = 50


class SqlOneTask:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def __call__(self, tenant_id: UUID, task_id: UUID) -> AssessmentTask | None:
        for _ in range(_STALE_AT_MOST):
            # Every pooled connection may have been told that the server ends; a read may be asked again.
            with suppress(InterfaceError, InternalClientError):
                return await self._read(tenant_id, task_id)
        return await self._read(tenant_id, task_id)

    async def _read(self, tenant_id: UUID, task_id: UUID) -> AssessmentTask | None:
        raw = await self._engine.raw_connection()
        try:
            assert raw.driver_connection is not None
            row = await raw.driver_connection.fetchrow(READ_ONE, str(tenant_id), task_id)
        except (InterfaceError, InternalClientError):
            # The driver lost track of what the server says, so that nobody else can use the connection either.
            raw.invalidate()
            raise
        finally:
            raw.close()
        return task_of(row) if row is not None else None
