"""Schema changes by Alembic, run from the installed package as well as from the repository."""

import os
from collections.abc import Callable
from datetime import timedelta

from alembic import command
from alembic.config import Config
from sqlalchemy import URL
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.infra.postgres import revisions
from qs.infra.postgres.engine import asyncpg_url, create_engine
from qs.infra.postgres.revisions import Standing, known_revisions, read_standing

PATIENCE = timedelta(minutes=10)
"""How long a revision is tried again that does not get its locks."""

Tell = Callable[[str], None]
"""Hears what a person would like to know, a line each."""


class SchemaNewer(Exception):
    """The schema was made by a later release and does not serve this one, which would not know what to write."""

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"the database is at revision {revision}, which does not serve this release of qs ({known_revisions()[0]}); "
            "install the release that made it, or restore a backup from before it was upgraded"
        )


def migration_url() -> URL:
    """The address migrations use: QS_MIGRATION_DATABASE_URL, else QS_DATABASE_URL.

    Raises:
        RuntimeError: neither is set.
    """
    dsn = os.environ.get("QS_MIGRATION_DATABASE_URL") or os.environ.get("QS_DATABASE_URL")
    if not dsn:
        raise RuntimeError(
            "no database to migrate: set QS_DATABASE_URL (and QS_MIGRATION_DATABASE_URL where the application's "
            "login may not change the schema), or use `qs up`, which brings its own PostgreSQL"
        )
    return asyncpg_url(dsn)


def alembic_config(connection: Connection | None = None, **run: object) -> Config:
    """An Alembic configuration that finds the migrations inside the package; ``run`` are terms of migrations.running."""
    config = Config()
    config.set_main_option("script_location", str(revisions.SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["run"] = run
    return config


def migration_engine(dsn: str) -> AsyncEngine:
    """Connections of the login that migrates, acting as itself."""
    return create_engine(dsn, role=None, pooled=False, application_name="qs-migrate")


def _silently(line: str) -> None:
    pass


async def upgrade(
    dsn: str, revision: str = "head", *, tell: Tell = _silently, patience: timedelta = PATIENCE
) -> None:
    """Brings the database at ``dsn`` to ``revision``, creating the roles where they are missing.

    Nobody else waits longer than a second or so for a lock of this, however long it has to be tried.

    Raises:
        RolesUnavailable: the login can neither create the roles nor act as them.
        MigrationBlocked: a revision did not get its locks within ``patience``; those before it are applied.
    """
    await _run(dsn, command.upgrade, revision, tell, patience)


async def downgrade(
    dsn: str, revision: str, *, tell: Tell = _silently, patience: timedelta = PATIENCE
) -> None:
    """Takes the database at ``dsn`` back to ``revision``; raises as ``upgrade`` does."""
    await _run(dsn, command.downgrade, revision, tell, patience)


async def _run(
    dsn: str, verb: Callable[[Config, str], None], revision: str, tell: Tell, patience: timedelta
) -> None:
    engine = migration_engine(dsn)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(
                lambda sync: verb(alembic_config(sync, tell=tell, patience=patience), revision)
            )
    finally:
        await engine.dispose()


async def current_standing(dsn: str) -> Standing:
    """Where the schema of the database is; at no revision where qs was never installed."""
    engine = migration_engine(dsn)
    try:
        async with engine.connect() as connection:
            return await read_standing(connection)
    finally:
        await engine.dispose()


async def current_revision(dsn: str) -> str | None:
    """The revision the database is at; None where qs was never installed."""
    return (await current_standing(dsn)).revision


def require_known(revision: str | None) -> None:
    """Raises SchemaNewer for a revision that this code does not know."""
    if revision is not None and revision not in known_revisions():
        raise SchemaNewer(revision)
