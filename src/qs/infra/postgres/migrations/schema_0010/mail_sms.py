"""By which id a provider speaks of a message after it took it."""

TABLES = (
    "ALTER TABLE delivery_attempt ADD COLUMN provider_id text",
    # A provider reports without knowing of tenants.
    "CREATE INDEX delivery_attempt_by_provider ON delivery_attempt (provider_id) WHERE provider_id IS NOT NULL",
)

ACCESS = (
    "CREATE POLICY qs_sweeper_select ON delivery_attempt FOR SELECT TO qs_sweeper USING (true)",
    "GRANT SELECT (tenant_id, delivery_id, provider_id) ON delivery_attempt TO qs_sweeper",
    "GRANT SELECT (digest_id, reason) ON delivery TO qs_sweeper",
)

UNDONE = (
    "REVOKE SELECT (digest_id, reason) ON delivery FROM qs_sweeper",
    "REVOKE SELECT (tenant_id, delivery_id, provider_id) ON delivery_attempt FROM qs_sweeper",
    "DROP POLICY qs_sweeper_select ON delivery_attempt",
    "ALTER TABLE delivery_attempt DROP COLUMN provider_id",
)
