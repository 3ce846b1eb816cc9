"""The SQL of migration 0016: who forgets may forget messages; frozen once released."""

from collections.abc import Iterator

# Where the rows of a tenant are, whether they are done with and since when, and which went out together; recipients are
# ids, and never what was written, or where to.
_SEEN = {
    "tenant": "id",
    "delivery": "tenant_id, id, event_id, recipient, channel, digest_id, status, created_at, settled_at",
    "channel_grant_use": "tenant_id, message_id, at",
}
_FORGOTTEN = ("delivery", "channel_grant_use")


def upgrade_statements() -> Iterator[str]:
    for table, columns in _SEEN.items():
        yield f"CREATE POLICY qs_relay_select ON {table} FOR SELECT TO qs_relay USING (true)"
        yield f"GRANT SELECT ({columns}) ON {table} TO qs_relay"
    for table in _FORGOTTEN:
        yield f"CREATE POLICY qs_relay_delete ON {table} FOR DELETE TO qs_relay USING (true)"
        yield f"GRANT DELETE ON {table} TO qs_relay"


def downgrade_statements() -> Iterator[str]:
    for table in reversed(_FORGOTTEN):
        yield f"REVOKE DELETE ON {table} FROM qs_relay"
        yield f"DROP POLICY qs_relay_delete ON {table}"
    for table, columns in reversed(_SEEN.items()):
        yield f"REVOKE SELECT ({columns}) ON {table} FROM qs_relay"  # noqa: S608 - constants
        yield f"DROP POLICY qs_relay_select ON {table}"
