"""The scheduler context's unit of work on PostgreSQL."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.application.scheduler.job_ports import Wake
from qs.infra.postgres.quotas import SqlQuotas
from qs.infra.postgres.unit_of_work import SqlUnitOfWork
from qs.infra.scheduler.broker_requests import SqlRequests
from qs.infra.scheduler.executions import SqlExecutions
from qs.infra.scheduler.job_notices import SqlNotices
from qs.infra.scheduler.jobs import SqlCalendars, SqlJobs, SqlSlotClaims, SqlSwitch
from qs.infra.scheduler.runs import SqlRuns
from qs.infra.scheduler.slots import SqlSlots

# A process that is stopped between its claim and its commit would make every other one wait for as long as it
# sleeps; the server ends such a transaction, and nobody waits longer than that for its rows.
_HURRY = text(
    "SELECT set_config('idle_in_transaction_session_timeout', '5s', true), set_config('lock_timeout', '6s', true)"
)

_WAIT = text(
    "SELECT pg_sleep(greatest(0, extract(epoch FROM CAST(:at AS timestamptz) - clock_timestamp())::float8))"
)
_NOTIFY = text("SELECT pg_notify(:channel, '')")


class SqlSchedulerUnitOfWork(SqlUnitOfWork):
    """A transaction that holds one tenant's executions and slots."""

    executions: SqlExecutions
    slots: SqlSlots
    switch: SqlSwitch

    def bind(self, connection: AsyncConnection) -> None:
        self.executions = SqlExecutions(connection, self.tenant_id)
        self.slots = SqlSlots(connection, self.tenant_id)
        self.switch = SqlSwitch(connection, self.tenant_id)

    async def system_now(self) -> datetime:
        now: datetime = (await self.connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
        return now

    async def hurry(self) -> None:
        await self.connection.execute(_HURRY)


class SqlJobUnitOfWork(SqlUnitOfWork):
    """A transaction that holds one tenant's jobs and their executions."""

    jobs: SqlJobs
    slots: SqlSlotClaims
    runs: SqlRuns
    requests: SqlRequests
    notices: SqlNotices
    calendars: SqlCalendars
    switch: SqlSwitch
    quotas: SqlQuotas

    def bind(self, connection: AsyncConnection) -> None:
        self.jobs = SqlJobs(connection, self.tenant_id)
        self.slots = SqlSlotClaims(connection, self.tenant_id)
        self.runs = SqlRuns(connection, self.tenant_id)
        self.requests = SqlRequests(connection, self.tenant_id)
        self.notices = SqlNotices(connection, self.tenant_id)
        self.calendars = SqlCalendars(connection, self.tenant_id)
        self.switch = SqlSwitch(connection, self.tenant_id)
        self.quotas = SqlQuotas(connection, self.tenant_id)

    async def system_now(self) -> datetime:
        now: datetime = (await self.connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
        return now

    async def hurry(self) -> None:
        await self.connection.execute(_HURRY)

    async def wait_until(self, at: datetime) -> None:
        await self.connection.execute(_WAIT, {"at": at})

    async def wake(self, *channels: Wake) -> None:
        for channel in channels:
            await self.connection.execute(_NOTIFY, {"channel": channel.value})


class JobUnitsOfWork:
    """Makes a unit of work of the jobs for a tenant; the factory that services are given."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    def __call__(self, tenant_id: UUID) -> SqlJobUnitOfWork:
        return SqlJobUnitOfWork(self._engine, tenant_id)


class SchedulerUnitsOfWork:
    """Makes a unit of work for a tenant; the factory that services are given."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    def __call__(self, tenant_id: UUID) -> SqlSchedulerUnitOfWork:
        return SqlSchedulerUnitOfWork(self._engine, tenant_id)
