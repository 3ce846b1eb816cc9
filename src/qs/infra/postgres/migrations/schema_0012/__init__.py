"""The SQL of migration 0012: webhook endpoints of tenants and their deliveries; frozen once released."""

from collections.abc import Iterator

TABLES = (
    # The secrets are one ciphertext that opens in this row only: the current one and, for a while, the one before.
    """
CREATE TABLE webhook_endpoint (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    name text NOT NULL,
    url text NOT NULL,
    events text[] NOT NULL,
    secrets bytea NOT NULL,
    previous_secret_until timestamptz,
    enabled boolean NOT NULL DEFAULT true,
    disabled_reason text CHECK (disabled_reason IN ('manual', 'gone', 'failing')),
    disabled_at timestamptz,
    failures integer NOT NULL DEFAULT 0,
    first_failure_at timestamptz,
    paused_until timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id),
    CHECK (enabled = (disabled_reason IS NULL) AND enabled = (disabled_at IS NULL))
)""",
    # An event as it goes out, once for all endpoints of its tenant. It outlives the outbox, so that it can be replayed.
    """
CREATE TABLE webhook_message (
    tenant_id uuid NOT NULL,
    event_id uuid NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, event_id)
)""",
    "CREATE INDEX webhook_message_by_age ON webhook_message (created_at)",
    # No reference to the endpoint: one with a million deliveries is deleted at once, and these go by their age.
    """
CREATE TABLE webhook_delivery (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    event_id uuid NOT NULL,
    event_name text NOT NULL,
    status text NOT NULL CHECK (status IN ('queued', 'sending', 'sent', 'dead', 'skipped')),
    reason text,
    attempts integer NOT NULL DEFAULT 0,
    epoch integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until timestamptz,
    queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, event_id, endpoint_id)
)""",
    # While a delivery is being sent its next attempt is the end of its lease, so one column says what is due.
    "CREATE INDEX webhook_delivery_due ON webhook_delivery (tenant_id, endpoint_id, next_attempt_at, id)"
    " WHERE status IN ('queued', 'sending')",
    "CREATE INDEX webhook_delivery_history ON webhook_delivery (tenant_id, endpoint_id, id)",
    "CREATE INDEX webhook_delivery_dead ON webhook_delivery (tenant_id, endpoint_id, id) WHERE status = 'dead'",
    "CREATE INDEX webhook_delivery_settled ON webhook_delivery (settled_at)"
    " WHERE status IN ('sent', 'dead', 'skipped')",
    """
CREATE TABLE webhook_attempt (
    tenant_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    number integer NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome text NOT NULL CHECK (outcome IN ('sent', 'temporary', 'permanent', 'unknown')),
    answer text,
    duration_ms integer,
    PRIMARY KEY (tenant_id, delivery_id, number),
    FOREIGN KEY (tenant_id, delivery_id) REFERENCES webhook_delivery (tenant_id, id) ON DELETE CASCADE
)""",
)
_OWNED = ("webhook_endpoint", "webhook_message", "webhook_delivery", "webhook_attempt")


def _of_tenant(table: str) -> tuple[str, ...]:
    return (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY own_tenant ON {table} TO qs_app"
        " USING (tenant_id = (SELECT qs_tenant())) WITH CHECK (tenant_id = (SELECT qs_tenant()))",
        f"CREATE POLICY owner_all ON {table} TO qs_owner USING (true) WITH CHECK (true)",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO qs_app",
    )


ACCESS = (
    *(statement for table in _OWNED for statement in _of_tenant(table)),
    # Who finds what is due sees whose it is and when, never where it goes.
    "CREATE POLICY qs_sweeper_select ON webhook_endpoint FOR SELECT TO qs_sweeper USING (true)",
    "CREATE POLICY qs_sweeper_select ON webhook_delivery FOR SELECT TO qs_sweeper USING (true)",
    "GRANT SELECT (tenant_id, id, enabled, disabled_reason, failures, paused_until) ON webhook_endpoint TO qs_sweeper",
    "GRANT SELECT (tenant_id, endpoint_id, status, next_attempt_at, queued_at) ON webhook_delivery TO qs_sweeper",
    # Who forgets deletes what is done with, and what has no endpoint any more.
    "CREATE POLICY qs_relay_select ON webhook_endpoint FOR SELECT TO qs_relay USING (true)",
    "GRANT SELECT (tenant_id, id) ON webhook_endpoint TO qs_relay",
    *(
        statement
        for table in ("webhook_message", "webhook_delivery")
        for statement in (
            f"CREATE POLICY qs_relay_select ON {table} FOR SELECT TO qs_relay USING (true)",
            f"CREATE POLICY qs_relay_delete ON {table} FOR DELETE TO qs_relay USING (true)",
            f"GRANT SELECT, DELETE ON {table} TO qs_relay",
        )
    ),
)

# What is published by now is older than every endpoint there will be, so nobody has to act on it.
SUBSCRIBER = (
    "INSERT INTO subscriber_cursor (subscriber, acknowledged_through)"
    " SELECT 'webhooks', published_through FROM relay_cursor WHERE published_through > 0"
)


def upgrade_statements() -> Iterator[str]:
    yield from TABLES
    yield from ACCESS
    yield SUBSCRIBER


def downgrade_statements() -> Iterator[str]:
    # A subscriber that is gone would hold the outbox back.
    yield "DELETE FROM inbox_attempt WHERE subscriber = 'webhooks'"
    yield "DELETE FROM inbox WHERE subscriber = 'webhooks'"
    yield "DELETE FROM subscriber_cursor WHERE subscriber = 'webhooks'"
    for table in reversed(_OWNED):
        yield f"DROP TABLE {table}"
