"""Stops the application role in the middle of a statement on tasks: after its snapshot, before its locks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from tests.support.waiting import eventually

_KEY = 4711


async def waiting_for_a_lock(admin: asyncpg.Connection) -> int:
    """How many of this database's connections wait for a lock of any kind."""
    # Inside a transaction the view would show what it showed at first.
    await admin.execute("SELECT pg_stat_clear_snapshot()")
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return int(await admin.fetchval(query))


@asynccontextmanager
async def gate_on_tasks(admin: asyncpg.Connection) -> AsyncIterator[None]:
    """While it is shut, a statement of the application role that reads tasks has its snapshot and waits."""
    await admin.execute(
        f"""
CREATE FUNCTION pass_gate() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_lock_shared({_KEY});
    PERFORM pg_advisory_unlock_shared({_KEY});
    RETURN true;
END $$"""
    )
    await admin.execute("CREATE POLICY gate ON task AS RESTRICTIVE TO qs_app USING (pass_gate())")
    await admin.execute(f"SELECT pg_advisory_lock({_KEY})")
    try:
        yield
    finally:
        await admin.execute(f"SELECT pg_advisory_unlock({_KEY})")


async def somebody_waits(admin: asyncpg.Connection, how_many: int = 1) -> None:
    async def enough() -> bool:
        return await waiting_for_a_lock(admin) >= how_many

    await eventually(enough)
