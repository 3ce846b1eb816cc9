"""The SQL of the second migration: the figures of the statistics context; frozen once released."""

from collections.abc import Iterator

from qs.infra.postgres.migrations.schema_0002 import access, statistics


def upgrade_statements() -> Iterator[str]:
    yield from statistics.TABLES
    yield from access.STATEMENTS


def downgrade_statements() -> Iterator[str]:
    for table in reversed(access.ALL_TABLES):
        yield f"DROP TABLE {table}"
