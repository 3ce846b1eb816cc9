"""The scheduler context's unit of work on PostgreSQL."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.infra.postgres.unit_of_work import SqlUnitOfWork
from qs.infra.scheduler.executions import SqlExecutions
from qs.infra.scheduler.slots import SqlSlots

# A process that is stopped between its claim and its commit would make every other one wait for as long as it
# sleeps; the server ends such a transaction, and nobody waits longer than that for its rows.
_HURRY = text(
    "SELECT set_config('idle_in_transaction_session_timeout', '5s', true), set_config('lock_timeout', '6s', true)"
)


class SqlSchedulerUnitOfWork(SqlUnitOfWork):
    """A transaction that holds one tenant's executions and slots."""

    executions: SqlExecutions
    slots: SqlSlots

    def bind(self, connection: AsyncConnection) -> None:
        self.executions = SqlExecutions(connection, self.tenant_id)
        self.slots = SqlSlots(connection, self.tenant_id)

    async def system_now(self) -> datetime:
        now: datetime = (await self.connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
        return now

    async def hurry(self) -> None:
        await self.connection.execute(_HURRY)


class SchedulerUnitsOfWork:
    """Makes a unit of work for a tenant; the factory that services are given."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    def __call__(self, tenant_id: UUID) -> SqlSchedulerUnitOfWork:
        return SqlSchedulerUnitOfWork(self._engine, tenant_id)
