"""The SQL of migration 0015: which releases the schema still serves; frozen once released."""

from collections.abc import Iterator


def upgrade_statements() -> Iterator[str]:
    # The migration run that applies a revision writes it, so that processes of an earlier release, which do not know the
    # revision, can read whether they may go on.
    yield """
CREATE TABLE schema_compatibility (
    id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    minimum text NOT NULL
)"""
    yield "INSERT INTO schema_compatibility (minimum) VALUES ('0008')"
    yield "GRANT SELECT ON schema_compatibility TO qs_app"


def downgrade_statements() -> Iterator[str]:
    yield "DROP TABLE schema_compatibility"
