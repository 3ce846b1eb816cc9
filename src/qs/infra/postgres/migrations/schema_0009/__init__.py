"""The SQL of the ninth migration: what staff are told of, and how often; frozen once released."""

from collections.abc import Iterator

_UNTOLD = "(recovered_at IS NULL AND untold > 0) OR (recovered_at IS NOT NULL AND announced)"

TABLES = (
    # One row for each kind of trouble with each subject, however often it comes back. All instants are business time.
    """
CREATE TABLE staff_alert (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    cause text NOT NULL,
    facts jsonb NOT NULL DEFAULT '{}',
    count integer NOT NULL,
    untold integer NOT NULL,
    announced boolean NOT NULL DEFAULT false,
    messages integer NOT NULL DEFAULT 0,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    last_told_at timestamptz,
    recovered_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, kind, subject)
)""",
    "CREATE INDEX staff_alert_open ON staff_alert (tenant_id, kind) WHERE recovered_at IS NULL",
    f"CREATE INDEX staff_alert_untold ON staff_alert (tenant_id) WHERE {_UNTOLD}",
    "CREATE INDEX staff_alert_by_age ON staff_alert (tenant_id, last_seen_at, id)",
    "CREATE INDEX staff_alert_over ON staff_alert (recovered_at) WHERE recovered_at IS NOT NULL",
    # When the tenant's staff got messages about alerts, as far back as is counted.
    """
CREATE TABLE staff_alert_pace (
    tenant_id uuid PRIMARY KEY,
    told_at timestamptz[] NOT NULL DEFAULT '{}'
)""",
    "CREATE INDEX delivery_dead ON delivery (tenant_id, channel) WHERE status = 'dead'",
    # Which jobs failed at all, so that nobody has to look through those that did not.
    "CREATE INDEX job_execution_failed ON job_execution (tenant_id, job_id, id)"
    " WHERE status IN ('failed', 'timed_out', 'expired')",
    # Null: as the installation has it; 0: never.
    "ALTER TABLE plan ADD COLUMN alert_after_missed integer",
)

_NEW = ("staff_alert", "staff_alert_pace")

ACCESS = (
    *(
        statement
        for table in _NEW
        for statement in (
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY own_tenant ON {table} TO qs_app"
            " USING (tenant_id = (SELECT qs_tenant())) WITH CHECK (tenant_id = (SELECT qs_tenant()))",
            f"CREATE POLICY owner_all ON {table} TO qs_owner USING (true) WITH CHECK (true)",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO qs_app",
        )
    ),
    # Looking for trouble, and for what is to be told, goes over all tenants.
    "CREATE POLICY qs_sweeper_select ON staff_alert FOR SELECT TO qs_sweeper USING (true)",
    "GRANT SELECT (tenant_id, kind, subject, cause, untold, announced, last_told_at, recovered_at)"
    " ON staff_alert TO qs_sweeper",
    "GRANT SELECT (event_name, settled_at) ON delivery TO qs_sweeper",
    "GRANT SELECT (handled_at) ON inbox TO qs_sweeper",
    "GRANT SELECT (name) ON job TO qs_sweeper",
    "GRANT SELECT (job_id, execution_id, kind) ON job_notice TO qs_sweeper",
    "CREATE POLICY qs_relay_select ON staff_alert FOR SELECT TO qs_relay USING (true)",
    "CREATE POLICY qs_relay_delete ON staff_alert FOR DELETE TO qs_relay USING (true)",
    "GRANT SELECT, DELETE ON staff_alert TO qs_relay",
)


def upgrade_statements() -> Iterator[str]:
    yield from TABLES
    yield from ACCESS


def downgrade_statements() -> Iterator[str]:
    yield "ALTER TABLE plan DROP COLUMN alert_after_missed"
    yield "DROP INDEX job_execution_failed"
    yield "REVOKE SELECT (job_id, execution_id, kind) ON job_notice FROM qs_sweeper"
    yield "REVOKE SELECT (name) ON job FROM qs_sweeper"
    yield "REVOKE SELECT (handled_at) ON inbox FROM qs_sweeper"
    yield "REVOKE SELECT (event_name, settled_at) ON delivery FROM qs_sweeper"
    yield "DROP INDEX delivery_dead"
    yield from (f"DROP TABLE {table}" for table in _NEW)
