"""The SQL of migration 0011: texts of a tenant; frozen once released."""

from collections.abc import Iterator

TABLES: tuple[str, ...] = (
    # A version is never rewritten, so what a message said can be looked up by its number.
    """
CREATE TABLE message_template (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    key text NOT NULL,
    locale text NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    subject text NOT NULL,
    body text NOT NULL,
    active boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by text NOT NULL,
    PRIMARY KEY (tenant_id, key, locale, version)
)""",
    "CREATE UNIQUE INDEX message_template_active ON message_template (tenant_id, key, locale) WHERE active",
    # Which version an attempt sent: 0 the built-in text, null where nothing was composed or nobody noted it.
    "ALTER TABLE delivery_attempt ADD COLUMN template_version integer",
)

ACCESS: tuple[str, ...] = (
    "ALTER TABLE message_template ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE message_template FORCE ROW LEVEL SECURITY",
    "CREATE POLICY own_tenant ON message_template TO qs_app"
    " USING (tenant_id = (SELECT qs_tenant())) WITH CHECK (tenant_id = (SELECT qs_tenant()))",
    "CREATE POLICY owner_all ON message_template TO qs_owner USING (true) WITH CHECK (true)",
    "GRANT SELECT, INSERT, UPDATE (active) ON message_template TO qs_app",
)


def upgrade_statements() -> Iterator[str]:
    yield from TABLES
    yield from ACCESS


def downgrade_statements() -> Iterator[str]:
    yield "ALTER TABLE delivery_attempt DROP COLUMN template_version"
    yield "DROP TABLE message_template"
