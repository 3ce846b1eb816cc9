"""Row-level security, forced on every table that has a tenant, and the least each role needs.

qs_app does a tenant's work and sees that tenant only. qs_sweeper finds what is due across tenants and changes
nothing. qs_relay publishes the outbox. qs_identity looks accounts up before a tenant is known.
"""

TENANT_TABLES = (
    "scale",
    "testee",
    "plan",
    "enrollment",
    "task",
    "outbox",
    "inbox",
    "inbox_attempt",
    "delivery",
    "delivery_attempt",
    "execution",
    "slot",
    "audit",
    "idempotency_key",
)
IDENTITY_TABLES = ("tenant", "app_user", "service_account", "refresh_token")
SHARED_TABLES = ("business_clock", "relay_cursor", "subscriber_cursor", "worker_heartbeat")

ALL_TABLES = (
    "business_clock",
    "tenant",
    "app_user",
    "service_account",
    "refresh_token",
    "idempotency_key",
    "audit",
    "scale",
    "testee",
    "plan",
    "enrollment",
    "task",
    "outbox",
    "relay_cursor",
    "subscriber_cursor",
    "inbox",
    "inbox_attempt",
    "delivery",
    "delivery_attempt",
    "execution",
    "slot",
    "worker_heartbeat",
)

APPEND_ONLY = ("audit", "outbox")


def _own_tenant(table: str, column: str = "tenant_id") -> tuple[str, ...]:
    return (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY own_tenant ON {table} TO qs_app"
        # The sub-select is evaluated once a statement instead of once a row.
        f" USING ({column} = (SELECT qs_tenant())) WITH CHECK ({column} = (SELECT qs_tenant()))",
        # The owner migrates and backs up every tenant; nothing that serves a request connects as it.
        f"CREATE POLICY owner_all ON {table} TO qs_owner USING (true) WITH CHECK (true)",
    )


def _across(role: str, table: str, command: str = "SELECT") -> str:
    check = "" if command in ("SELECT", "DELETE") else " WITH CHECK (true)"
    using = "" if command == "INSERT" else " USING (true)"
    return f"CREATE POLICY {role}_{command.lower()} ON {table} FOR {command} TO {role}{using}{check}"


# What proves who somebody is (password_hash, secret_hash, token_hash) is written by qs_app and read by qs_identity
# alone, so a statement that serves a request cannot show it.
_IDENTITY_GRANTS = (
    "GRANT SELECT, INSERT (id, slug, name, timezone) ON tenant TO qs_app",
    "GRANT UPDATE (name, timezone, status, staff_contacts, version) ON tenant TO qs_app",
    "GRANT SELECT (id, tenant_id, username, roles, disabled_at, created_at),"
    " INSERT (id, tenant_id, username, password_hash, roles),"
    " UPDATE (password_hash, roles, disabled_at) ON app_user TO qs_app",
    "GRANT SELECT (id, tenant_id, name, client_id, scopes, disabled_at, created_at),"
    " INSERT (id, tenant_id, name, client_id, secret_hash, scopes),"
    " UPDATE (secret_hash, disabled_at) ON service_account TO qs_app",
    "GRANT SELECT (id, tenant_id, user_id, family, expires_at, used_at, revoked_at, created_at),"
    " INSERT (id, tenant_id, user_id, family, token_hash, expires_at),"
    " UPDATE (used_at, revoked_at), DELETE ON refresh_token TO qs_app",
)


def _statements() -> list[str]:
    statements: list[str] = []
    for table in TENANT_TABLES:
        statements += _own_tenant(table)
        rights = "SELECT, INSERT" if table in APPEND_ONLY else "SELECT, INSERT, UPDATE, DELETE"
        statements.append(f"GRANT {rights} ON {table} TO qs_app")
    statements += _own_tenant("tenant", "id")
    for table in IDENTITY_TABLES[1:]:
        statements += _own_tenant(table)
    statements += _IDENTITY_GRANTS
    statements += [
        # Publishing again says so; what happened is never rewritten.
        "GRANT UPDATE (republished_at, publications) ON outbox TO qs_app",
        "GRANT SELECT, INSERT, UPDATE ON business_clock TO qs_app",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON worker_heartbeat TO qs_app",
        "GRANT SELECT ON relay_cursor, subscriber_cursor TO qs_app",
        # Readiness compares the schema with the code.
        "GRANT SELECT ON alembic_version TO qs_app",
    ]
    for table in ("tenant", "task", "delivery", "execution", "outbox", "inbox", "inbox_attempt"):
        statements.append(_across("qs_sweeper", table))
    statements += [
        "GRANT SELECT ON business_clock, relay_cursor, subscriber_cursor, worker_heartbeat TO qs_sweeper",
        "GRANT SELECT (id, slug, status, timezone) ON tenant TO qs_sweeper",
        "GRANT SELECT (id, tenant_id, status, planned_at, closes_at, expires_at, next_attempt_at)"
        " ON task TO qs_sweeper",
        "GRANT SELECT (id, tenant_id, channel, status, next_attempt_at, lease_until) ON delivery TO qs_sweeper",
        "GRANT SELECT (id, tenant_id, name, status, lease_until, scheduled_at, attempt) ON execution TO qs_sweeper",
        "GRANT SELECT (id, tenant_id, ordinal, position, recorded_at, published_at) ON outbox TO qs_sweeper",
        "GRANT SELECT (subscriber, event_id, tenant_id, state) ON inbox TO qs_sweeper",
        "GRANT SELECT (subscriber, event_id, tenant_id, next_attempt_at) ON inbox_attempt TO qs_sweeper",
    ]
    # Publishing gives positions and counts publications; what happened is not the relay's to change either.
    statements += [_across("qs_relay", "outbox", command) for command in ("SELECT", "UPDATE", "DELETE")]
    statements += [
        "GRANT SELECT, DELETE ON outbox TO qs_relay",
        "GRANT UPDATE (position, published_at, republished_at, publications) ON outbox TO qs_relay",
    ]
    for table, commands in {
        "inbox": ("SELECT", "DELETE"),
        "inbox_attempt": ("SELECT", "DELETE"),
        "execution": ("SELECT", "DELETE"),
        "slot": ("SELECT", "DELETE"),
        "idempotency_key": ("SELECT", "DELETE"),
    }.items():
        statements += [_across("qs_relay", table, command) for command in commands]
        statements.append(f"GRANT {', '.join(commands)} ON {table} TO qs_relay")
    statements.append(
        "GRANT SELECT, INSERT, UPDATE ON relay_cursor, subscriber_cursor TO qs_relay",
    )
    for table in IDENTITY_TABLES:
        statements.append(_across("qs_identity", table))
        statements.append(f"GRANT SELECT ON {table} TO qs_identity")
    statements.append("GRANT SELECT ON business_clock TO qs_identity, qs_relay")
    return statements


STATEMENTS = tuple(_statements())
