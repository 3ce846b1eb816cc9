"""Databases that tests make for themselves."""

from urllib.parse import urlsplit, urlunsplit

import asyncpg

from qs.infra.postgres.migrate import upgrade

TEMPLATE = "qs_template"


def address(dsn: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


async def make_template(dsn: str) -> str:
    """Makes and migrates the template; returns its name."""
    await _run(dsn, f"CREATE DATABASE {TEMPLATE}")
    await upgrade(address(dsn, TEMPLATE))
    return TEMPLATE


async def clone(dsn: str, template: str, name: str, *, tablespace: str = "pg_default") -> None:
    await _run(dsn, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY TABLESPACE {tablespace}")


async def drop(dsn: str, name: str) -> None:
    """Drops a database that ``clone`` made, whoever is still connected."""
    await _run(dsn, f"DROP DATABASE {name} WITH (FORCE)")


async def _run(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
