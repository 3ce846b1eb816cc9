"""`qs db`: the schema of the database."""

from typing import Any

import typer
from sqlalchemy.engine import Connection

from qs.infra.postgres.drift import find_drift
from qs.infra.postgres.engine import create_engine
from qs.infra.postgres.migrate import current_revision, head_revision, require_known
from qs.infra.postgres.roles import OWNER
from qs.interface.cli.output import Json, emit, fail, run_async
from qs.interface.cli.session import current_settings
from qs.provisioning import ensure_schema, migration_dsn, with_servers

app = typer.Typer(no_args_is_help=True)


@app.callback()
def db() -> None:
    """The schema of the database."""


@app.command()
def upgrade(json_mode: Json = False) -> None:
    """Bring the schema, its roles and its row policies up to this release; repeating it does nothing."""
    emit(run_async(_upgrade()), json_mode)


@app.command()
def check(json_mode: Json = False) -> None:
    """Say whether the database is at this release's schema and holds the tables the code expects."""
    found = run_async(_check())
    emit(found, json_mode)
    require_known(found["revision"])
    if found["revision"] != found["head"]:
        fail(
            f"the database is at {found['revision'] or 'no revision'}, not at {found['head']}; run `qs db upgrade`"
        )
    if found["differences"]:
        fail("the database has been changed besides the migrations; what differs is listed")


async def _upgrade() -> dict[str, Any]:
    with with_servers(current_settings()) as settings:
        before = await current_revision(migration_dsn(settings))
        await ensure_schema(settings)
        return {"from": before, "to": head_revision()}


async def _check() -> dict[str, Any]:
    with with_servers(current_settings()) as settings:
        dsn = migration_dsn(settings)
        revision, head = await current_revision(dsn), head_revision()
        differences = await _differences(dsn) if revision == head else []
        return {"revision": revision, "head": head, "differences": differences}


async def _differences(dsn: str) -> list[str]:
    engine = create_engine(dsn, role=OWNER, pooled=False, application_name="qs-check")
    try:
        async with engine.connect() as connection:
            found: list[str] = await connection.run_sync(_drift)
            return found
    finally:
        await engine.dispose()


def _drift(connection: Connection) -> list[str]:
    return find_drift(connection)
