"""Moving business time in a test's database, as ``qs clock advance`` does."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

_ADVANCE = text(
    "UPDATE business_clock SET clock_offset = :instant - clock_timestamp() WHERE :instant > qs_now()"
)
_NOW = text("SELECT qs_now()")


async def advance_to(engine: AsyncEngine, instant: datetime) -> None:
    """Business time is ``instant`` from now on, and goes on from there; it must lie ahead."""
    async with engine.begin() as connection:
        moved = await connection.execute(_ADVANCE, {"instant": instant})
    assert moved.rowcount == 1, f"{instant} does not lie ahead"


async def business_now(engine: AsyncEngine) -> datetime:
    async with engine.connect() as connection:
        now: datetime = await connection.scalar(_NOW)
    return now
