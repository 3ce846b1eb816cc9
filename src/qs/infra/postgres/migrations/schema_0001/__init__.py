"""The SQL of the first migration, one module per subject; frozen once released."""

from collections.abc import Iterator

from qs.infra.postgres.migrations.schema_0001 import (
    access,
    clock,
    events,
    executions,
    identity,
    notification,
    plan,
)

_SUBJECTS = (clock, identity, plan, events, notification, executions)


def upgrade_statements() -> Iterator[str]:
    """Every statement in order: tables, then policies and grants, then the rows that must exist."""
    for subject in _SUBJECTS:
        yield from subject.TABLES
    yield from access.STATEMENTS
    yield from identity.ROWS


def downgrade_statements() -> Iterator[str]:
    for table in reversed(access.ALL_TABLES):
        yield f"DROP TABLE {table}"
    yield "DROP FUNCTION qs_now()"
    yield "DROP FUNCTION qs_tenant()"
