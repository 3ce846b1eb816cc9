"""The SQL of the seventh migration: secrets that tenants store for their jobs; frozen once released."""

from collections.abc import Iterator

TABLES = (
    # The value is a ciphertext that opens in this row only; there is no other copy of it.
    """
CREATE TABLE secret (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    name text NOT NULL,
    ciphertext bytea NOT NULL,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, name)
)""",
)

ACCESS = (
    "ALTER TABLE secret ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE secret FORCE ROW LEVEL SECURITY",
    "CREATE POLICY own_tenant ON secret TO qs_app"
    " USING (tenant_id = (SELECT qs_tenant())) WITH CHECK (tenant_id = (SELECT qs_tenant()))",
    "CREATE POLICY owner_all ON secret TO qs_owner USING (true) WITH CHECK (true)",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON secret TO qs_app",
)


def upgrade_statements() -> Iterator[str]:
    yield from TABLES
    yield from ACCESS


def downgrade_statements() -> Iterator[str]:
    yield "DROP TABLE secret"
