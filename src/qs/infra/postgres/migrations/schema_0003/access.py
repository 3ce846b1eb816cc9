"""Row-level security, forced, on every table of the third migration, and the least each role needs.

qs_sweeper finds the tenants that have something due, waiting or lost; what is done then is done as qs_app.
"""

ALL_TABLES = ("job", "job_slot", "job_calendar", "job_switch", "job_notice", "sys_crontab")
_TENANT_TABLES = (
    "job",
    "job_slot",
    "job_calendar",
    "job_switch",
    "job_notice",
    "job_execution",
    "job_attempt",
    "job_output",
)

_SEEN_BY_SWEEPER = {
    "job": "tenant_id, id, next_fire_at, enabled, status, kind",
    "job_switch": "tenant_id, firing",
    "job_execution": "tenant_id, id, job_id, status, available_at, lease_until, queue, kind, start_before, end_before,"
    " awaited, worker, epoch",
    "job_notice": "tenant_id, id, status, next_attempt_at",
}


def _statements() -> list[str]:
    statements: list[str] = []
    for table in _TENANT_TABLES:
        statements += [
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY own_tenant ON {table} TO qs_app"
            " USING (tenant_id = (SELECT qs_tenant())) WITH CHECK (tenant_id = (SELECT qs_tenant()))",
            f"CREATE POLICY owner_all ON {table} TO qs_owner USING (true) WITH CHECK (true)",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO qs_app",
        ]
    for table, columns in _SEEN_BY_SWEEPER.items():
        statements += [
            f"CREATE POLICY qs_sweeper_select ON {table} FOR SELECT TO qs_sweeper USING (true)",
            f"GRANT SELECT ({columns}) ON {table} TO qs_sweeper",
        ]
    for table in ("job_slot", "job_notice"):
        statements += [
            f"CREATE POLICY qs_relay_{command.lower()} ON {table} FOR {command} TO qs_relay USING (true)"
            for command in ("SELECT", "DELETE")
        ]
        statements.append(f"GRANT SELECT, DELETE ON {table} TO qs_relay")
    return [
        *statements,
        "CREATE POLICY qs_relay_select ON job FOR SELECT TO qs_relay USING (true)",
        "GRANT SELECT (tenant_id, id) ON job TO qs_relay",
        # Whoever fills it logs in by himself; the service reads it and never writes.
        "GRANT SELECT ON sys_crontab TO qs_sweeper",
    ]


STATEMENTS = tuple(_statements())
