"""The SQL of the fifth migration: the chain of the audit log; frozen once released."""

from collections.abc import Iterator

TABLES = (
    """
CREATE TABLE audit_seal (
    tenant_id uuid NOT NULL,
    position bigint NOT NULL CHECK (position > 0),
    audit_id uuid NOT NULL UNIQUE,
    version smallint NOT NULL,
    sealed_at timestamptz NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant_id, position)
)""",
    # What was written and is in no chain yet, so that nobody has to look through the whole log for it.
    """
CREATE TABLE audit_unsealed (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL
)""",
)

# A trigger, because whoever writes a record must not be able to forget it, not even a process of the release before.
FUNCTIONS = (
    """
CREATE FUNCTION qs_audit_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_unsealed (id, tenant_id) VALUES (NEW.id, NEW.tenant_id);
    RETURN NULL;
END $$""",
    "CREATE TRIGGER audit_written AFTER INSERT ON audit FOR EACH ROW EXECUTE FUNCTION qs_audit_written()",
)


def _access() -> Iterator[str]:
    for table in ("audit_seal", "audit_unsealed"):
        yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
        yield f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"
        yield (
            f"CREATE POLICY own_tenant ON {table} TO qs_app"
            " USING (tenant_id = (SELECT qs_tenant())) WITH CHECK (tenant_id = (SELECT qs_tenant()))"
        )
        yield f"CREATE POLICY owner_all ON {table} TO qs_owner USING (true) WITH CHECK (true)"
    yield "GRANT SELECT ON audit_seal TO qs_app"
    yield "GRANT SELECT, INSERT ON audit_unsealed TO qs_app"
    # When a record was written is for the database to say, not for its writer.
    yield "REVOKE INSERT ON audit FROM qs_app"
    yield (
        "GRANT INSERT (id, tenant_id, business_at, actor, action, object_kind, object_id, request_id, detail)"
        " ON audit TO qs_app"
    )
    # Sealing adds to the chain; neither a record nor a seal is anybody's to change or remove but the owner's.
    yield "CREATE POLICY qs_relay_select ON audit FOR SELECT TO qs_relay USING (true)"
    yield "CREATE POLICY qs_relay_select ON audit_seal FOR SELECT TO qs_relay USING (true)"
    yield "CREATE POLICY qs_relay_insert ON audit_seal FOR INSERT TO qs_relay WITH CHECK (true)"
    yield "CREATE POLICY qs_relay_select ON audit_unsealed FOR SELECT TO qs_relay USING (true)"
    yield "CREATE POLICY qs_relay_delete ON audit_unsealed FOR DELETE TO qs_relay USING (true)"
    yield "GRANT SELECT ON audit TO qs_relay"
    yield "GRANT SELECT, INSERT ON audit_seal TO qs_relay"
    yield "GRANT SELECT, DELETE ON audit_unsealed TO qs_relay"


def upgrade_statements() -> Iterator[str]:
    yield from TABLES
    yield from FUNCTIONS
    yield from _access()
    # The trigger keeps writers out until the end of the migration, so this is all there is.
    yield "INSERT INTO audit_unsealed (id, tenant_id) SELECT id, tenant_id FROM audit"


def downgrade_statements() -> Iterator[str]:
    yield "DROP TRIGGER audit_written ON audit"
    yield "DROP FUNCTION qs_audit_written()"
    yield "DROP POLICY qs_relay_select ON audit"
    yield "REVOKE SELECT ON audit FROM qs_relay"
    yield "GRANT INSERT ON audit TO qs_app"
    yield "DROP TABLE audit_unsealed"
    yield "DROP TABLE audit_seal"
