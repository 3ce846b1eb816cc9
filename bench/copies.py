"""A database kept as it was seeded, and fresh copies of it, file for file."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg


class Copies:
    """``url`` is a superuser's; nobody may be connected to the database while it is kept or restored."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._name = f"qs_bench_{secrets.token_hex(4)}"
        self._kept = f"{self._name}_kept"

    @property
    def dsn(self) -> str:
        """Of the database to work on, the same for every copy."""
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{self._name}"))

    async def create(self) -> None:
        await self._do(f"CREATE DATABASE {self._name}")

    async def keep(self) -> None:
        """The database becomes what ``restore`` brings back; it is gone until then."""
        await self._do(f"ALTER DATABASE {self._name} RENAME TO {self._kept}")

    async def restore(self) -> None:
        """The database is as it was kept: same pages, same order, same statistics for the planner."""
        await self._do(
            f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)",
            f"CREATE DATABASE {self._name} TEMPLATE {self._kept} STRATEGY file_copy",
        )

    async def drop(self) -> None:
        await self._do(*(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)" for name in (self._name, self._kept)))

    async def _do(self, *statements: str) -> None:
        # A connection for each time, since the server is started anew between some of them.
        async with self._connected() as connection:
            for statement in statements:
                await connection.execute(statement)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self._url)
        try:
            yield connection
        finally:
            await connection.close()
