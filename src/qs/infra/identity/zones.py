"""Since when a tenant's dates are those of which zone, for the context that counts by date and for the one that moves."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.domain.kernel.zones import date_begun, end_of_date, zone
from qs.infra.postgres.unit_of_work import SqlUnitOfWork

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

_PERIODS = text(
    "SELECT since, timezone FROM tenant_zone WHERE tenant_id = :tenant"
    " UNION ALL SELECT :beginning, timezone FROM tenant t WHERE id = :tenant"
    " AND NOT EXISTS (SELECT FROM tenant_zone z WHERE z.tenant_id = t.id) ORDER BY since"
)
_FORGET_LATER = text("DELETE FROM tenant_zone WHERE tenant_id = :tenant AND since > :now")
_ADD = text(
    "INSERT INTO tenant_zone (tenant_id, since, timezone) VALUES (:tenant, :since, :timezone)"
    " ON CONFLICT (tenant_id, since) DO UPDATE SET timezone = excluded.timezone"
)


async def _periods(connection: AsyncConnection, tenant_id: UUID) -> Sequence[tuple[datetime, str]]:
    rows = await connection.execute(_PERIODS, {"tenant": tenant_id, "beginning": _BEGINNING})
    return [(row.since, row.timezone) for row in rows.all()]


class SqlZonePeriods:
    """The periods of the tenant whose unit of work this is."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def change_to(self, timezone: str, now: datetime) -> None:
        """Dates are those of ``timezone`` from the end of the present date on, so that what was counted today stays.

        To be called before the tenant's own zone is changed.
        """
        periods = await _periods(self._connection, self._tenant_id)
        present = [period for period in periods if period[0] <= now]
        tz = zone(present[-1][1])
        await self._connection.execute(_FORGET_LATER, {"tenant": self._tenant_id, "now": now})
        for since, name in ((_BEGINNING, present[0][1]), (end_of_date(date_begun(now, tz), tz), timezone)):
            await self._connection.execute(
                _ADD, {"tenant": self._tenant_id, "since": since, "timezone": name}
            )


class SqlZoneReader:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def periods(self, tenant_id: UUID) -> Sequence[tuple[datetime, str]]:
        """Since when (ascending, the first at the beginning) dates are those of which zone; none for no tenant."""
        async with SqlUnitOfWork(self._engine, tenant_id) as uow:
            return await _periods(uow.connection, tenant_id)
