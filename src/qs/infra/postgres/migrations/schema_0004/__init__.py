"""The SQL of the fourth migration: API keys; frozen once released."""

from collections.abc import Iterator

TABLES = (
    """
CREATE TABLE api_key (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    name text NOT NULL,
    secret_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    last_used_at timestamptz,
    revoked_at timestamptz
)""",
    # Keys of one name are one another's successors, and are counted when one is added.
    "CREATE INDEX api_key_by_name ON api_key (tenant_id, name, id)",
)

ACCESS = (
    "ALTER TABLE api_key ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE api_key FORCE ROW LEVEL SECURITY",
    "CREATE POLICY own_tenant ON api_key TO qs_app"
    " USING (tenant_id = (SELECT qs_tenant())) WITH CHECK (tenant_id = (SELECT qs_tenant()))",
    "CREATE POLICY owner_all ON api_key TO qs_owner USING (true) WITH CHECK (true)",
    "CREATE POLICY qs_identity_select ON api_key FOR SELECT TO qs_identity USING (true)",
    # What proves who somebody is (secret_hash) is written by qs_app and read by qs_identity alone.
    "GRANT SELECT (id, tenant_id, name, scopes, created_at, expires_at, last_used_at, revoked_at),"
    " INSERT (id, tenant_id, name, secret_hash, scopes, created_at, expires_at),"
    " UPDATE (secret_hash, last_used_at, revoked_at) ON api_key TO qs_app",
    "GRANT SELECT ON api_key TO qs_identity",
)


def upgrade_statements() -> Iterator[str]:
    yield from TABLES
    yield from ACCESS


def downgrade_statements() -> Iterator[str]:
    yield "DROP TABLE api_key"
