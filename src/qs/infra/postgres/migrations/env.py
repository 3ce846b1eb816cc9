"""Runs the migrations as the owner role, from the repository and from the installed package alike."""

import asyncio

from alembic import context
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from qs.infra.postgres.metadata import metadata
from qs.infra.postgres.migrate import migration_url
from qs.infra.postgres.roles import OWNER, prepare_roles


def run(connection: Connection) -> None:
    with connection.begin():
        prepare_roles(connection)
    with connection.begin():
        connection.execute(text(f"SET LOCAL ROLE {OWNER}"))
        # Two `db upgrade` at once wait for one another, however long, instead of failing half way.
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('qs.migrations', 0))"))
        connection.execute(text("SET LOCAL lock_timeout = '2s'"))
        context.configure(
            connection=connection,
            target_metadata=metadata,
            transactional_ddl=True,
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()


async def run_online() -> None:
    url = context.config.get_main_option("sqlalchemy.url") or migration_url()
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    given = context.config.attributes.get("connection")
    if given is not None:
        run(given)
    else:
        asyncio.run(run_online())
