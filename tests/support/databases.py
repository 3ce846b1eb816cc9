"""Databases that tests make for themselves."""

import itertools
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from qs.infra.postgres.migrate import upgrade

TEMPLATE = "qs_template"

_FIRST_OWN_OID = 16384
# Old row versions add up, and what is planned on them changes.
_USES = 40
_MOST_ROWS = 5_000
_CATALOGUES = {
    "pg_class": "oid",
    "pg_attribute": "attrelid",
    "pg_proc": "oid",
    "pg_type": "oid",
    "pg_trigger": "oid",
    "pg_policy": "oid",
    "pg_constraint": "oid",
    "pg_attrdef": "oid",
    "pg_index": "indexrelid",
    "pg_rewrite": "oid",
    "pg_namespace": "oid",
    "pg_inherits": "inhrelid",
}
# Whatever a DDL statement changes is a new version of some row here.
_SHAPE = "SELECT sum(h) FROM ({}) AS rows(h)".format(
    " UNION ALL ".join(
        f"SELECT hashtextextended('{name} ' || {oid} || ' ' || xmin, 0) FROM {name} WHERE {oid} >= {_FIRST_OWN_OID}"
        for name, oid in _CATALOGUES.items()
    )
)
_SETTINGS = """
SELECT count(*) FROM pg_db_role_setting
WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())"""
_ALONE = """
SELECT coalesce(bool_and(pg_terminate_backend(pid, 10000)), true) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()"""
_CHANGES = f"""
SELECT oid::regclass::text AS name, pg_stat_get_tuples_inserted(oid) AS inserted,
       pg_stat_get_tuples_updated(oid) + pg_stat_get_tuples_deleted(oid) AS others
FROM pg_class WHERE relkind = 'r' AND oid >= {_FIRST_OWN_OID}"""


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


@dataclass(slots=True)
class _Clone:
    name: str
    uses: int = 0
    changes: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of each table, how many rows were ever inserted, and how many changed or deleted, when it was last as the template."""


class Clones:
    """Databases as the template is, one test after the other.

    A clone costs 50 ms. One whose tables have the shape they had is emptied for the next test instead; it is the
    server's own count of changes that says which of them have to be.
    """

    def __init__(self, dsn: str, template: str) -> None:
        self._dsn = dsn
        self._template = template
        self._numbers = itertools.count(1)
        self._spare: _Clone | None = None
        self._shape: Any = None
        self._seeds: dict[str, str] = {}
        self._sequences: list[tuple[str, int, bool]] = []

    async def take(self) -> _Clone:
        """A database as the template is, that nobody else uses."""
        if self._spare is not None:
            taken, self._spare = self._spare, None
            return taken
        taken = _Clone(f"t{next(self._numbers)}")
        await clone(self._dsn, self._template, taken.name)
        connection = await asyncpg.connect(address(self._dsn, taken.name))
        try:
            if self._shape is None:
                await self._look(connection)
            taken.changes = await _changes(connection)
        finally:
            await connection.close()
        return taken

    async def give_back(self, given: _Clone) -> None:
        """Ends whoever is still connected; the database is emptied for the next test, or dropped."""
        given.uses += 1
        if given.uses < _USES and await self._emptied(given):
            self._spare = given
        else:
            await drop(self._dsn, given.name)

    async def _look(self, connection: asyncpg.Connection) -> None:
        self._shape = await _shape(connection)
        for name in await _changes(connection):
            rows = await connection.fetchval(f"SELECT json_agg(t) FROM {name} AS t")
            if rows is not None:
                columns = ", ".join(json.loads(rows)[0])
                self._seeds[name] = (
                    f"INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE"
                    f" SELECT {columns} FROM json_populate_recordset(NULL::{name}, {_quoted(rows)})"
                )
        for row in await connection.fetch(
            "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'S' AND oid >= $1",
            _FIRST_OWN_OID,
        ):
            (last,) = await connection.fetch(f"SELECT last_value, is_called FROM {row['name']}")
            self._sequences.append((row["name"], last["last_value"], last["is_called"]))

    async def _emptied(self, given: _Clone) -> bool:
        connection = await asyncpg.connect(address(self._dsn, given.name))
        try:
            if not await connection.fetchval(_ALONE) or await _shape(connection) != self._shape:
                return False
            now = await _changes(connection)
            changed = [name for name, counts in now.items() if counts != given.changes.get(name)]
            if sum(sum(now[name]) - sum(given.changes[name]) for name in changed) > _MOST_ROWS:
                return False
            if changed:
                # Without the triggers, some of which forbid just this.
                statements = ["SET LOCAL session_replication_role = replica"]
                statements += [f"DELETE FROM {name}" for name in changed]
                statements += [self._seeds[name] for name in changed if name in self._seeds]
                statements += [
                    f"SELECT setval('{name}', {last}, {str(called).lower()})"
                    for name, last, called in self._sequences
                ]
                async with connection.transaction():
                    await connection.execute(";".join([*statements, "SELECT pg_stat_force_next_flush()"]))
                given.changes = await _changes(connection)
        finally:
            await connection.close()
        return True


async def _shape(connection: asyncpg.Connection) -> Any:
    settings = await connection.fetchval(_SETTINGS)
    return (
        await connection.fetchval(_SHAPE),
        settings,
        await connection.fetchval("SELECT pg_postmaster_start_time()"),
    )


async def _changes(connection: asyncpg.Connection) -> dict[str, tuple[int, int]]:
    return {row["name"]: (row["inserted"], row["others"]) for row in await connection.fetch(_CHANGES)}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


async def _run(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
