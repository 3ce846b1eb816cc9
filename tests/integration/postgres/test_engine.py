"""Connections that the server closes, and those it has closed."""

from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.waiting import eventually


async def test_the_first_statement_after_the_server_closed_every_connection_succeeds(
    engine: AsyncEngine, database_url: str
) -> None:
    opened = [await engine.connect() for _ in range(4)]
    drivers = [(await connection.get_raw_connection()).driver_connection for connection in opened]
    for connection in opened:
        await connection.close()

    await _close_all_but_mine(database_url)
    await eventually(lambda: _all_noticed(drivers))

    for _ in range(4):
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT 1")) == 1


async def test_a_transaction_in_which_its_process_froze_is_ended_by_the_server(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        limit = await connection.scalar(text("SHOW idle_in_transaction_session_timeout"))

    assert limit == "1min"


async def _close_all_but_mine(dsn: str) -> None:
    admin = await asyncpg.connect(dsn)
    try:
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    finally:
        await admin.close()


async def _all_noticed(drivers: list[Any]) -> bool:
    return all(driver.is_closed() for driver in drivers)
