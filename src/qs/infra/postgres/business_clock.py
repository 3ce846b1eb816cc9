"""Business time in its one row of the database."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel.business_time import ClockReading
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.infra.postgres.unit_of_work import SqlUnitOfWork

_LATEST = datetime(2199, 12, 31, tzinfo=UTC)

_READ = text("SELECT qs_now(), clock_offset FROM business_clock")

# The conditions are on the row itself, so that of two moves at once the second sees the first.
_ADVANCE_TO = text(
    """
UPDATE business_clock SET clock_offset = :instant - clock_timestamp()
WHERE :instant > clock_timestamp() + clock_offset AND :instant <= :latest
RETURNING clock_timestamp() + clock_offset, clock_offset
"""
)
_ADVANCE_BY = text(
    """
UPDATE business_clock SET clock_offset = clock_offset + :step
WHERE clock_timestamp() + clock_offset + :step <= :latest
RETURNING clock_timestamp() + clock_offset, clock_offset
"""
)


class SqlBusinessClock:
    """The clock of one database, read and moved as the application role."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def read(self) -> ClockReading:
        async with self._engine.connect() as connection:
            now, offset = (await connection.execute(_READ)).one()
        return ClockReading(now, offset)

    async def advance_to(self, instant: datetime, *, actor: str) -> ClockReading | None:
        return await self._move(_ADVANCE_TO, actor, instant=instant)

    async def advance_by(self, step: timedelta, *, actor: str) -> ClockReading | None:
        return await self._move(_ADVANCE_BY, actor, step=step)

    async def _move(self, statement: Any, actor: str, **values: Any) -> ClockReading | None:
        async with SqlUnitOfWork(self._engine, PLATFORM_TENANT) as uow:
            row = (await uow.connection.execute(statement, values | {"latest": _LATEST})).one_or_none()
            if row is None:
                return None
            await uow.audit.add(
                "clock.advanced",
                "clock",
                None,
                actor=actor,
                detail={"from": uow.now.isoformat(), "to": row[0].isoformat()},
            )
            await uow.commit("clock.advance")
        return ClockReading(*row)
