"""I10: no row leads into another tenant."""

from tests.support.laws import Law, query

_REFERENCES = {
    "app_user": {},
    "refresh_token": {"user_id": "app_user"},
    "plan": {},
    "testee": {},
    "enrollment": {"plan_id": "plan", "testee_id": "testee"},
    "task": {"enrollment_id": "enrollment", "plan_id": "plan", "testee_id": "testee"},
    "inbox": {"event_id": "outbox"},
    "inbox_attempt": {"event_id": "outbox"},
    "delivery": {"event_id": "outbox", "task_id": "task", "plan_id": "plan", "testee_id": "testee"},
    "delivery_attempt": {"delivery_id": "delivery"},
    "channel_grant": {"testee_id": "testee"},
    "channel_grant_use": {"testee_id": "testee"},
    "slot": {"execution_id": "execution"},
    "execution": {"retried_as": "execution"},
    "stat_plan": {"plan_id": "plan"},
    "job": {},
    "job_execution": {"job_id": "job", "blocked_by": "job_execution", "parent_id": "job_execution"},
    "job_slot": {"job_id": "job", "execution_id": "job_execution"},
    "job_attempt": {"execution_id": "job_execution"},
    "job_output": {"execution_id": "job_execution"},
    "job_notice": {"job_id": "job", "execution_id": "job_execution"},
    "broker_request": {"job_id": "job", "execution_id": "job_execution"},
    "webhook_delivery": {"endpoint_id": "webhook_endpoint"},
    "webhook_attempt": {"delivery_id": "webhook_delivery"},
    "audit_seal": {"audit_id": "audit"},
    "audit_unsealed": {"id": "audit"},
}
"""Which columns of a table name rows of which other table."""
_OWNED = (
    *_REFERENCES,
    "api_key",
    "audit",
    "idempotency_key",
    "job_calendar",
    "job_switch",
    "message_template",
    "outbox",
    "scale",
    "secret",
    "service_account",
    "staff_alert",
    "staff_alert_pace",
    "stat_accumulated",
    "stat_daily",
    "stat_epoch",
    "stat_revision",
    "stat_stale_day",
    "stat_sync",
    "tenant_zone",
    "webhook_endpoint",
    "webhook_message",
)
"""Every table whose rows are a tenant's."""
_NAMELESS = frozenset(
    {
        "inbox",
        "inbox_attempt",
        "slot",
        "delivery_attempt",
        "channel_grant",
        "channel_grant_use",
        "stat_plan",
        "job_slot",
        "job_attempt",
        "job_output",
        "webhook_attempt",
        "broker_request",
        "audit_seal",
    }
)
"""Those without an id of their own."""
_SUBJECTS = {
    "tasks": "task",
    "enrollments": "enrollment",
    "plans": "plan",
    "testees": "testee",
    "webhooks": "webhook_endpoint",
}
_AUDITED = {
    "task": "task",
    "enrollment": "enrollment",
    "plan": "plan",
    "testee": "testee",
    "execution": "execution",
    "notification": "delivery",
    "job": "job",
    "user": "app_user",
    "service_account": "service_account",
    "api_key": "api_key",
    "webhook": "webhook_endpoint",
}
"""What audit rows tell of, and where that is."""
_COUNTED = ("plan", "testee")


def _crossing(table: str, whose: str, column: str, other: str, condition: str = "true") -> Law:
    return Law(
        "I10",
        f"format('{table} %s of tenant %s leads to {other} %s of tenant %s', {whose}, a.tenant_id, b.id, b.tenant_id)",
        f"{table} a JOIN {other} b ON b.id = {column}",
        f"{condition} AND b.tenant_id <> a.tenant_id",
    )


def _laws() -> list[Law]:
    laws = [
        Law("I10", f"format('%s rows of {table} are of tenant %s, which does not exist', n, tenant_id)",
            f"(SELECT tenant_id, count(*) AS n FROM {table} GROUP BY tenant_id) a",
            "NOT EXISTS (SELECT FROM tenant t WHERE t.id = a.tenant_id)")
        for table in _OWNED
    ]  # fmt: skip
    for table, columns in _REFERENCES.items():
        whose = "a.id" if table not in _NAMELESS else "''"
        laws += [_crossing(table, whose, f"a.{column}", other) for column, other in columns.items()]
    for kind, table in _SUBJECTS.items():
        subject = "split_part(a.subject, '/', 2)::uuid"
        laws.append(_crossing("outbox", "a.id", subject, table, f"split_part(a.subject, '/', 1) = '{kind}'"))
    for kind, table in _AUDITED.items():
        laws.append(_crossing("audit", "a.id", "a.object_id", table, f"a.object_kind = '{kind}'"))
    for dimension in _COUNTED:
        for table in ("stat_daily", "stat_accumulated", "stat_revision"):
            key = f"CASE WHEN a.dimension = '{dimension}' THEN a.key::uuid END"
            laws.append(_crossing(table, "a.key", key, dimension))
    laws += [
        Law("I10", f"format('{table} of tenant %s has the figures of tenant %s', tenant_id, key)", table,
            "dimension = 'tenant' AND key <> tenant_id::text")
        for table in ("stat_daily", "stat_accumulated", "stat_revision")
    ]  # fmt: skip
    laws.append(
        Law("I10", "format('idempotency_key %s of tenant %s is that of %s of tenant %s', k.key, k.tenant_id, k.principal,"
            " who.tenant_id)", "idempotency_key k JOIN (SELECT 'user:' || id AS principal, tenant_id FROM app_user"
            " UNION ALL SELECT 'service:' || id, tenant_id FROM service_account"
            " UNION ALL SELECT 'api_key:' || id, tenant_id FROM api_key) who USING (principal)",
            "who.tenant_id <> k.tenant_id")
    )  # fmt: skip
    return laws


TABLES = frozenset(_OWNED)
STATEMENT = query(_laws())
"""The query that finds what breaks I10."""
