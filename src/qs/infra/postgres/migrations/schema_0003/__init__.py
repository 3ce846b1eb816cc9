"""The SQL of the third migration: the job scheduler; frozen once released."""

from collections.abc import Iterator

from qs.infra.postgres.migrations.schema_0003 import access, history, jobs


def upgrade_statements() -> Iterator[str]:
    yield from jobs.TABLES
    yield from history.TABLES
    yield from history.FUNCTIONS
    yield from access.STATEMENTS
    # Only now: a partition is made with the access rules of its time.
    yield history.FIRST_PARTITIONS


def downgrade_statements() -> Iterator[str]:
    yield from history.UNDONE
    for table in reversed(access.ALL_TABLES):
        yield f"DROP TABLE {table}"
    yield from jobs.UNDONE
