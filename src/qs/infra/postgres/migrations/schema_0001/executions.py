"""Slots and executions of the duties."""

TABLES = (
    """
CREATE TABLE execution (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    fired_by text NOT NULL CHECK (fired_by IN ('clock', 'http', 'cli')),
    scheduled_at timestamptz,
    status text NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'lost')),
    actor text NOT NULL,
    parameters jsonb NOT NULL DEFAULT '{}',
    detached boolean NOT NULL DEFAULT false,
    result jsonb,
    error text,
    attempt integer NOT NULL DEFAULT 1,
    worker text,
    epoch integer NOT NULL DEFAULT 1,
    lease_until timestamptz NOT NULL,
    retried_as uuid,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id)
)""",
    "CREATE INDEX execution_by_name ON execution (tenant_id, name, id)",
    "CREATE INDEX execution_open ON execution (lease_until) WHERE status IN ('queued', 'running')",
    "CREATE INDEX execution_by_age ON execution (created_at)",
    # The clock never runs a duty beside itself, on however many machines.
    "CREATE UNIQUE INDEX execution_of_clock ON execution (tenant_id, name)"
    " WHERE fired_by = 'clock' AND status IN ('queued', 'running')",
    # One row per slot is what makes a slot fire once however many machines there are.
    """
CREATE TABLE slot (
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    scheduled_at timestamptz NOT NULL,
    execution_id uuid NOT NULL,
    outcome text NOT NULL DEFAULT 'fired' CHECK (outcome IN ('fired', 'skipped')),
    claimed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, name, scheduled_at)
)""",
    """
CREATE TABLE worker_heartbeat (
    worker text PRIMARY KEY,
    role text NOT NULL,
    host text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
)""",
)
