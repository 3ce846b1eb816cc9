"""Grants of people to be written to once each, and the messages that used them."""

TABLES = (
    # recipient is as in delivery: testee:<id> or guardian:<testee id>:<n>. Every send takes one, so left = given - used.
    """
CREATE TABLE channel_grant (
    tenant_id uuid NOT NULL,
    testee_id uuid NOT NULL,
    recipient text NOT NULL,
    channel text NOT NULL,
    template text NOT NULL,
    given integer NOT NULL,
    used integer NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, testee_id, recipient, channel, template),
    CHECK (used BETWEEN 0 AND given)
)""",
    # Which message has taken one, by the id it is sent under: one that is repeated after a crash must not take another.
    """
CREATE TABLE channel_grant_use (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    testee_id uuid NOT NULL,
    recipient text NOT NULL,
    channel text NOT NULL,
    template text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, message_id),
    FOREIGN KEY (tenant_id, testee_id, recipient, channel, template)
        REFERENCES channel_grant (tenant_id, testee_id, recipient, channel, template) ON DELETE CASCADE
)""",
)

_NEW = ("channel_grant", "channel_grant_use")

ACCESS = tuple(
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
)

UNDONE = ("DROP TABLE channel_grant_use", "DROP TABLE channel_grant")
