"""The SQL of migration 0014: the trace that an event was recorded in; frozen once released."""

from collections.abc import Iterator


def upgrade_statements() -> Iterator[str]:
    yield "ALTER TABLE outbox ADD COLUMN traceparent text"
    # No row has one yet, so that nothing has to be looked through while the table is locked; new rows are checked.
    yield (
        "ALTER TABLE outbox ADD CONSTRAINT outbox_traceparent_length CHECK (length(traceparent) = 55) NOT VALID"
    )


def downgrade_statements() -> Iterator[str]:
    yield "ALTER TABLE outbox DROP COLUMN traceparent"
