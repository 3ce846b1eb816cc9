"""Row-level security, forced, on every table of the second migration. History can only be added to."""

ALL_TABLES = (
    "tenant_zone",
    "stat_epoch",
    "stat_sync",
    "stat_daily",
    "stat_accumulated",
    "stat_plan",
    "stat_revision",
    "stat_stale_day",
)

_APPEND_ONLY = ("stat_revision",)


def _statements() -> list[str]:
    statements: list[str] = []
    for table in ALL_TABLES:
        rights = "SELECT, INSERT" if table in _APPEND_ONLY else "SELECT, INSERT, UPDATE, DELETE"
        statements += [
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY own_tenant ON {table} TO qs_app"
            " USING (tenant_id = (SELECT qs_tenant())) WITH CHECK (tenant_id = (SELECT qs_tenant()))",
            f"CREATE POLICY owner_all ON {table} TO qs_owner USING (true) WITH CHECK (true)",
            f"GRANT {rights} ON {table} TO qs_app",
        ]
    return [
        *statements,
        # Who looks after the counters of every tenant asks which are lost.
        "CREATE POLICY qs_sweeper_select ON stat_epoch FOR SELECT TO qs_sweeper USING (true)",
        "GRANT SELECT (tenant_id, epoch) ON stat_epoch TO qs_sweeper",
        # Metrics tell how old the figures of all tenants are and how many differences there are.
        "CREATE POLICY qs_sweeper_select ON stat_sync FOR SELECT TO qs_sweeper USING (true)",
        "GRANT SELECT (tenant_id, kind, began_at, differences) ON stat_sync TO qs_sweeper",
    ]


STATEMENTS = tuple(_statements())
