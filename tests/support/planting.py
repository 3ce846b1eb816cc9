"""Rows and settings of a database that something went wrong in, for those who shall find it."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import asyncpg

_COLUMNS = """
SELECT column_name AS name, data_type AS type FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = $1 AND is_nullable = 'NO' AND column_default IS NULL
  AND is_identity = 'NO' AND is_generated = 'NEVER'"""
_FILLING: Mapping[str, str] = {
    "uuid": "gen_random_uuid()",
    "text": "'x'",
    "timestamp with time zone": "now()",
    "date": "current_date",
    "boolean": "false",
    "integer": "0",
    "bigint": "0",
    "smallint": "0",
    "jsonb": "'{}'",
    "json": "'{}'",
    "bytea": "'\\x00'",
    "interval": "'0'",
    "time without time zone": "'19:00'",
    "ARRAY": "'{}'",
}


class Planted:
    """A connection of the superuser: nobody's rules hold, but for those that stand on the table itself."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def run(self, *statements: str) -> None:
        for statement in statements:
            await self._connection.execute(statement)

    async def row(self, table: str, **given: str) -> None:
        """One row; ``given`` are SQL expressions, and what must not be null and is not given gets some value."""
        values = {
            row["name"]: _FILLING[row["type"]] for row in await self._connection.fetch(_COLUMNS, table)
        } | given
        await self.run(
            "SET session_replication_role = replica",
            f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(values.values())})",
        )

    async def rows(self, table: str, number: int, **given: str) -> None:
        """So many rows, alike but for the values that SQL makes anew for each."""
        values = {
            row["name"]: _FILLING[row["type"]] for row in await self._connection.fetch(_COLUMNS, table)
        } | given
        await self.run(
            "SET session_replication_role = replica",
            f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(values.values())}"
            f" FROM generate_series(1, {number}) AS n",
        )


def some_id() -> str:
    return f"'{uuid4()}'"


async def plant(dsn: str, *statements: str) -> None:
    """Runs the statements as the superuser, each in a transaction of its own."""
    connection: Any = await asyncpg.connect(dsn)
    try:
        await Planted(connection).run(*statements)
    finally:
        await connection.close()
