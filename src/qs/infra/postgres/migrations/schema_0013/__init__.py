"""The SQL of migration 0013: keys of executions asked for through a message broker; frozen once released."""

from collections.abc import Iterator

TABLES = (
    # A key is one execution's for as long as the history of executions is kept, whichever job it was for.
    """
CREATE TABLE broker_request (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    key text NOT NULL,
    job_id uuid NOT NULL,
    execution_id uuid NOT NULL,
    digest bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, key)
)""",
    "CREATE INDEX broker_request_by_age ON broker_request (received_at)",
)

ACCESS = (
    "ALTER TABLE broker_request ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE broker_request FORCE ROW LEVEL SECURITY",
    "CREATE POLICY own_tenant ON broker_request TO qs_app"
    " USING (tenant_id = (SELECT qs_tenant())) WITH CHECK (tenant_id = (SELECT qs_tenant()))",
    "CREATE POLICY owner_all ON broker_request TO qs_owner USING (true) WITH CHECK (true)",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON broker_request TO qs_app",
    "CREATE POLICY qs_relay_select ON broker_request FOR SELECT TO qs_relay USING (true)",
    "CREATE POLICY qs_relay_delete ON broker_request FOR DELETE TO qs_relay USING (true)",
    "GRANT SELECT, DELETE ON broker_request TO qs_relay",
)


def upgrade_statements() -> Iterator[str]:
    yield from TABLES
    yield from ACCESS


def downgrade_statements() -> Iterator[str]:
    yield "DROP TABLE broker_request"
