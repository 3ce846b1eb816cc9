"""What the doctor finds of those who come in and those who are to be told: administrators, API keys, staff contacts."""

from collections.abc import AsyncIterator

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.infra.postgres.roles import APP, IDENTITY, SWEEPER
from qs.interface.cli.findings import Finding, found, well
from qs.settings import Settings

# More tenants than these nobody reads about; the check has a time to keep to.
_MOST_TENANTS = 200
_MOST_TOLD = 5

_ADMINISTRATORS = text(
    "SELECT EXISTS (SELECT FROM app_user WHERE 'admin' = ANY(roles) AND disabled_at IS NULL)"
)
_ENDING_KEYS = text(
    "SELECT k.name, k.expires_at FROM api_key k WHERE k.revoked_at IS NULL"
    " AND k.expires_at BETWEEN clock_timestamp() AND clock_timestamp() + interval '14 days'"
    " AND k.last_used_at > clock_timestamp() - interval '7 days'"
    " AND NOT EXISTS (SELECT FROM api_key n WHERE n.tenant_id = k.tenant_id AND n.name = k.name"
    "                 AND n.revoked_at IS NULL AND n.expires_at > k.expires_at)"
    " ORDER BY k.expires_at"
)
_TENANTS = text("SELECT id, slug FROM tenant WHERE status = 'active' ORDER BY slug LIMIT :most")
_TENANT = text("SELECT set_config('qs.tenant_id', CAST(:tenant AS text), true)")
_LOOK = text(
    """
SELECT
    (SELECT count(*) FROM (
        SELECT FROM task t
        WHERE t.tenant_id = :tenant AND t.status = 'pending' AND t.planned_at < qs_now() - interval '15 minutes'
        AND t.plan_id IN (SELECT id FROM plan WHERE tenant_id = :tenant AND status = 'active')
        AND t.enrollment_id NOT IN (SELECT id FROM enrollment WHERE tenant_id = :tenant AND status = 'paused')
        LIMIT 10000) AS due) AS overdue,
    (SELECT staff_contacts IS NULL FROM tenant WHERE id = :tenant)
        AND EXISTS (SELECT FROM plan WHERE tenant_id = :tenant AND status = 'active') AS nobody_is_told"""
)


async def account_findings(connection: AsyncConnection, settings: Settings) -> AsyncIterator[Finding]:
    """Findings about accounts, and about each tenant its overdue tasks and whom it tells."""
    await connection.execute(text(f"SET ROLE {IDENTITY}"))
    has_administrator = await connection.scalar(_ADMINISTRATORS)
    keys = (await connection.execute(_ENDING_KEYS)).all()
    await connection.execute(text(f"SET ROLE {SWEEPER}"))
    tenants = (await connection.execute(_TENANTS, {"most": _MOST_TENANTS})).all()
    await connection.execute(text("RESET ROLE"))
    if settings.auth.mode == "builtin" and not has_administrator and settings.auth.admin_username is None:
        yield found("accounts.nobody", "administrators", "there is none")
    for key in keys:
        what = f"{key.name} is in use and ends {key.expires_at:%Y-%m-%d}"
        yield found("api_key.ends", "API keys", what)
    overdue, untold = {}, []
    for tenant in tenants:
        # Within a transaction, so that neither role nor tenant stays with the connection.
        await connection.execute(text(f"SET LOCAL ROLE {APP}"))
        await connection.execute(_TENANT, {"tenant": str(tenant.id)})
        row = (await connection.execute(_LOOK, {"tenant": tenant.id})).one()
        await connection.rollback()
        if row.overdue:
            overdue[tenant.slug] = row.overdue
        if row.nobody_is_told:
            untold.append(tenant.slug)
    yield _of_tasks(overdue)
    if untold:
        yield found("staff.unreachable", "staff contacts", f"none of {_few(untold)}, which have active plans")


def _of_tasks(overdue: dict[str, int]) -> Finding:
    if not overdue:
        return well("due tasks", "none waits for longer than 15 minutes to be opened")
    told = _few([f"{slug}: {number}" for slug, number in overdue.items()])
    return found("tasks.overdue", "due tasks", f"wait for longer than 15 minutes to be opened: {told}")


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_TOLD} more" if len(names) > _MOST_TOLD else ""
    return ", ".join(names[:_MOST_TOLD]) + more
