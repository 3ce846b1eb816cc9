"""The delivery ledger."""

TABLES = (
    # settled_at is business time, so that it stands in the right place among the task's facts; the rest is system time.
    # recipient names whom without saying where: testee:<id>, guardian:<testee id>:<n>, staff:<n>.
    """
CREATE TABLE delivery (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    event_id uuid NOT NULL,
    event_name text NOT NULL,
    task_id uuid,
    testee_id uuid,
    plan_id uuid,
    recipient text NOT NULL,
    channel text NOT NULL,
    address_index integer NOT NULL DEFAULT 0,
    template text NOT NULL,
    locale text NOT NULL,
    data jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL CHECK (status IN ('queued', 'sending', 'sent', 'skipped', 'dead')),
    reason text,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until timestamptz,
    epoch integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, event_id, recipient, channel, address_index)
)""",
    # While a delivery is being sent its next attempt is the end of its lease, so one column says what is due.
    "CREATE INDEX delivery_due ON delivery (channel, tenant_id, next_attempt_at, id)"
    " WHERE status IN ('queued', 'sending')",
    "CREATE INDEX delivery_by_task ON delivery (tenant_id, task_id, id)",
    """
CREATE TABLE delivery_attempt (
    tenant_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    number integer NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome text NOT NULL CHECK (outcome IN ('sent', 'temporary', 'permanent', 'unknown')),
    answer text,
    PRIMARY KEY (tenant_id, delivery_id, number),
    FOREIGN KEY (tenant_id, delivery_id) REFERENCES delivery (tenant_id, id) ON DELETE CASCADE
)""",
)
