"""Schema changes by Alembic, run from the installed package as well as from the repository."""

import os
from functools import cache
from importlib.resources import files

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.infra.postgres.engine import asyncpg_url, create_engine


class SchemaNewer(Exception):
    """The schema was made by a later release than this one, which would not know what to write."""

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"the database is at revision {revision}, which this release of qs does not know; "
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


def alembic_config(connection: Connection | None = None) -> Config:
    """An Alembic configuration that finds the migrations inside the package."""
    config = Config()
    config.set_main_option(
        "script_location", str(files("qs.infra.postgres") / "migrations").replace("%", "%%")
    )
    config.attributes["connection"] = connection
    return config


def _engine(dsn: str) -> AsyncEngine:
    return create_engine(dsn, role=None, pooled=False, application_name="qs-migrate")


async def upgrade(dsn: str, revision: str = "head") -> None:
    """Brings the database at ``dsn`` to ``revision``, creating the roles where they are missing."""
    engine = _engine(dsn)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), revision))
    finally:
        await engine.dispose()


async def downgrade(dsn: str, revision: str) -> None:
    """Takes the database at ``dsn`` back to ``revision``."""
    engine = _engine(dsn)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(lambda sync: command.downgrade(alembic_config(sync), revision))
    finally:
        await engine.dispose()


async def current_revision(dsn: str) -> str | None:
    """The revision the database is at; None where qs was never installed."""
    engine = _engine(dsn)
    try:
        async with engine.connect() as connection:
            exists = await connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
            if not exists:
                return None
            revision: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
            return revision
    finally:
        await engine.dispose()


def head_revision() -> str:
    """The newest revision this code knows."""
    return known_revisions()[0]


def require_known(revision: str | None) -> None:
    """Raises SchemaNewer for a revision that this code does not know."""
    if revision is not None and revision not in known_revisions():
        raise SchemaNewer(revision)


@cache
def known_revisions() -> tuple[str, ...]:
    """All revisions this code knows, the newest first."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(alembic_config())
    return tuple(script.revision for script in scripts.walk_revisions())
