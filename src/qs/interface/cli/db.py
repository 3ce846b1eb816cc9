"""`qs db`: the schema of the database."""

from datetime import timedelta
from typing import Annotated, Any

import typer
from sqlalchemy.engine import Connection

from qs.infra.postgres.drift import find_drift
from qs.infra.postgres.engine import create_engine
from qs.infra.postgres.migrate import current_revision, current_standing, require_known
from qs.infra.postgres.revisions import head_revision
from qs.infra.postgres.roles import OWNER
from qs.infra.postgres.upgrading import Phase, Revision, pending, upgrade_in_phase
from qs.interface.cli.output import Json, emit, fail, note, rows, run_async
from qs.interface.cli.session import current_settings
from qs.provisioning import migration_dsn, with_servers

app = typer.Typer(no_args_is_help=True)


@app.callback()
def db() -> None:
    """The schema of the database."""


@app.command()
def upgrade(
    phase: Annotated[
        Phase | None,
        typer.Option(
            help="expand: before the new release starts. contract: when the last old process has ended."
        ),
    ] = None,
    wait: Annotated[
        float,
        typer.Option(min=0, help="Seconds to wait for old processes to end, before what would break them."),
    ] = 0,
    force: Annotated[bool, typer.Option("--force", help="Do not look for old processes.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be applied.")] = False,
    json_mode: Json = False,
) -> None:
    """Bring the schema, its roles and its row policies up to this release; repeating it does nothing.

    It may run beside a service that works: nobody waits longer than a second or
    so for a lock of this. Without a phase it does both, which suits a single
    machine.
    """
    if dry_run:
        found = run_async(_pending(phase))
        shown = [(each.number, each.phase, each.needs, each.title) for each in found]
        table = rows(("revision", "phase", "needs", "what it brings"), shown)
        emit([each._asdict() for each in found], json_mode, table)
        return
    emit(run_async(_upgrade(phase, force, timedelta(seconds=wait))), json_mode)


@app.command()
def check(json_mode: Json = False) -> None:
    """Say whether the database is at this release's schema and holds the tables the code expects.

    A schema of a later release is fine too while it serves this one, and so is
    one that has yet to be contracted; their tables are not compared.
    """
    found = run_async(_check())
    emit(found, json_mode)
    if not found["serves"]:
        require_known(found["revision"])
        fail(
            f"the database is at {found['revision'] or 'no revision'}, not at {found['head']}; run `qs db upgrade`"
        )
    if found["differences"]:
        fail("the database has been changed besides the migrations; what differs is listed")


async def _pending(phase: Phase | None) -> list[Revision]:
    with with_servers(current_settings()) as settings:
        return await pending(migration_dsn(settings), phase)


async def _upgrade(phase: Phase | None, force: bool, wait: timedelta) -> dict[str, Any]:
    with with_servers(current_settings()) as settings:
        dsn = migration_dsn(settings)
        before = await current_revision(dsn)
        await upgrade_in_phase(dsn, phase, tell=note, force=force, wait=wait)
        return {"from": before, "to": await current_revision(dsn)}


async def _check() -> dict[str, Any]:
    with with_servers(current_settings()) as settings:
        dsn = migration_dsn(settings)
        standing, head = await current_standing(dsn), head_revision()
        differences = await _differences(dsn) if standing.revision == head else []
        return {
            "revision": standing.revision,
            "head": head,
            "serves": standing.serves,
            "differences": differences,
        }


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
