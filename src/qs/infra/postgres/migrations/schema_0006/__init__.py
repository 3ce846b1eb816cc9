"""The SQL of the sixth migration: quotas of tenants; frozen once released."""

from collections.abc import Iterator

_QUOTAS = ("max_testees", "max_active_plans", "max_jobs")


def upgrade_statements() -> Iterator[str]:
    for quota in _QUOTAS:
        yield f"ALTER TABLE tenant ADD COLUMN {quota} integer CHECK ({quota} >= 0)"
    # A tenant is created with all that is said of it, but for its status.
    yield f"GRANT INSERT (staff_contacts, {', '.join(_QUOTAS)}), UPDATE ({', '.join(_QUOTAS)}) ON tenant TO qs_app"


def downgrade_statements() -> Iterator[str]:
    yield "REVOKE INSERT (staff_contacts) ON tenant FROM qs_app"
    for quota in _QUOTAS:
        yield f"ALTER TABLE tenant DROP COLUMN {quota}"
