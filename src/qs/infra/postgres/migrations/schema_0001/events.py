"""Outbox, inbox and the cursors of publication."""

TABLES = (
    # ordinal orders what has not been published; position is given at publication and is what readers resume by.
    """
CREATE TABLE outbox (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    context text NOT NULL,
    name text NOT NULL,
    subject text NOT NULL,
    partition_key uuid NOT NULL,
    ordinal bigint GENERATED ALWAYS AS IDENTITY,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    data json NOT NULL,
    position bigint,
    published_at timestamptz,
    republished_at timestamptz,
    publications integer NOT NULL DEFAULT 0
) WITH (fillfactor = 85)""",
    "CREATE INDEX outbox_unpublished ON outbox (ordinal) WHERE position IS NULL",
    "CREATE UNIQUE INDEX outbox_position ON outbox (position) WHERE position IS NOT NULL",
    # A tenant with few events among many others' must not read past all of those to find its own.
    "CREATE INDEX outbox_feed ON outbox (tenant_id, position) WHERE position IS NOT NULL",
    """
CREATE TABLE relay_cursor (
    id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    assigned_through bigint NOT NULL DEFAULT 0,
    published_through bigint NOT NULL DEFAULT 0
)""",
    "INSERT INTO relay_cursor (id) VALUES (1)",
    """
CREATE TABLE subscriber_cursor (
    subscriber text PRIMARY KEY,
    acknowledged_through bigint NOT NULL DEFAULT 0
)""",
    """
CREATE TABLE inbox (
    subscriber text NOT NULL,
    event_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'done' CHECK (state IN ('done', 'dead')),
    handled_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    error text,
    PRIMARY KEY (subscriber, event_id)
)""",
    "CREATE INDEX inbox_by_age ON inbox (handled_at)",
    "CREATE INDEX inbox_dead ON inbox (tenant_id, subscriber, event_id) WHERE state = 'dead'",
    # A handler that kills its process is counted before it runs.
    """
CREATE TABLE inbox_attempt (
    subscriber text NOT NULL,
    event_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    attempts integer NOT NULL,
    last_error text,
    next_attempt_at timestamptz NOT NULL,
    PRIMARY KEY (subscriber, event_id)
)""",
    "CREATE INDEX inbox_attempt_due ON inbox_attempt (subscriber, next_attempt_at)",
)
