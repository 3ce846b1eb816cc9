"""Runs the migrations as the owner role, from the repository and from the installed package alike."""

import asyncio
import sys
from functools import partial

from alembic import context
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from qs.infra.postgres.metadata import metadata
from qs.infra.postgres.migrate import migration_url
from qs.infra.postgres.migrations import running

_tell = partial(print, file=sys.stderr, flush=True)


async def run_online() -> None:
    url = context.config.get_main_option("sqlalchemy.url") or migration_url()
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(lambda given: running.run(given, tell=_tell))
    finally:
        await engine.dispose()


def run_offline() -> None:
    context.configure(
        dialect_name="postgresql",
        target_metadata=metadata,
        literal_binds=True,
        transaction_per_migration=True,
        on_version_apply=lambda ctx, step, heads, run_args: running.note_minimum(ctx, heads),
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    given: Connection | None = context.config.attributes.get("connection")
    if given is not None:
        running.run(given, **context.config.attributes["run"])
    else:
        asyncio.run(run_online())
