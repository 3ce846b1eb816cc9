"""The statistics context's unit of work, and which tenants there are."""

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.application.statistics.counting import SUBSCRIPTION
from qs.application.statistics.ports import Condition
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.infra.postgres.unit_of_work import SqlUnitOfWork
from qs.infra.statistics.accumulated import SqlAccumulatedFigures, SqlPlanFigures
from qs.infra.statistics.books import SqlEpochBook, SqlSyncBook
from qs.infra.statistics.daily import SqlDailyFigures

_ACKNOWLEDGED = text(
    "SELECT event_id FROM inbox WHERE tenant_id = :tenant AND subscriber = :subscriber"
    " AND event_id = ANY(CAST(:ids AS uuid[])) AND state = 'done'"
)
_TENANTS = text(
    "SELECT t.id, e.epoch FROM tenant t LEFT JOIN stat_epoch e ON e.tenant_id = t.id"
    " WHERE t.status = 'active' AND t.id <> :platform ORDER BY t.id"
)

_CONDITION = text(
    "SELECT s.kind, min(s.began_at) AS finished_at, sum(s.differences) AS differences FROM stat_sync s"
    " JOIN tenant t ON t.id = s.tenant_id AND t.status = 'active'"
    " WHERE s.kind <> 'rebuild' AND s.began_at IS NOT NULL GROUP BY s.kind"
)


class SqlStatisticsUnitOfWork(SqlUnitOfWork):
    epochs: SqlEpochBook
    syncs: SqlSyncBook
    daily: SqlDailyFigures
    accumulated: SqlAccumulatedFigures
    plans: SqlPlanFigures

    def bind(self, connection: AsyncConnection) -> None:
        self.epochs = SqlEpochBook(connection, self.tenant_id)
        self.syncs = SqlSyncBook(connection, self.tenant_id, SUBSCRIPTION.subscriber)
        self.daily = SqlDailyFigures(connection, self.tenant_id)
        self.accumulated = SqlAccumulatedFigures(connection, self.tenant_id)
        self.plans = SqlPlanFigures(connection, self.tenant_id)

    async def acknowledged(self, subscriber: str, event_ids: Collection[UUID]) -> Collection[UUID]:
        given = {"tenant": self.tenant_id, "subscriber": subscriber, "ids": list(event_ids)}
        return list(await self.connection.scalars(_ACKNOWLEDGED, given))


class SqlCountedTenants:
    """Looks across tenants, as qs_sweeper."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def condition(self) -> Condition:
        async with self._engine.connect() as connection:
            await connection.execute(text("SET LOCAL ROLE qs_sweeper"))
            rows = (await connection.execute(_CONDITION)).all()
        finished_at = {row.kind: row.finished_at for row in rows}
        return Condition(sum(int(row.differences) for row in rows), finished_at)

    async def epochs(self) -> Mapping[UUID, UUID | None]:
        async with self._engine.connect() as connection:
            await connection.execute(text("SET LOCAL ROLE qs_sweeper"))
            rows = await connection.execute(_TENANTS, {"platform": PLATFORM_TENANT})
            return {row.id: row.epoch for row in rows.all()}
