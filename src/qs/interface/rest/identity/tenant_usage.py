"""``/admin/tenants/usage``: what tenants have, which is what their quotas leave room for and what suspending would stop."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get
from litestar.params import FromQuery
from msgspec import Meta, Struct

from qs.application.identity.administering_api_keys import ApiKeyAdministration
from qs.application.identity.administering_service_accounts import ServiceAccountAdministration
from qs.application.identity.administering_tenants import TenantAdministration
from qs.application.identity.administering_users import UserAdministration
from qs.application.plan.holdings import PlanHoldings
from qs.application.plan.standing import TaskStandings
from qs.application.scheduler.job_reading import JobReading
from qs.application.scheduler.standing import JobStandings
from qs.domain.identity.principal import Principal
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.id_lists import ids_in, ids_of
from qs.interface.rest.identity.fields import ADMINISTERING
from qs.interface.rest.identity.tenants import is_theirs

TenantIds = Annotated[str, ids_of("tenants", most=20)]


class TenantUsage(Struct, kw_only=True):
    """What a tenant has at this moment. Testees, active plans and jobs are counted as its quotas count."""

    tenant_id: UUID
    users: Annotated[int, Meta(description="Who may log in.")]
    machines: Annotated[int, Meta(description="Service accounts and API keys that work.")]
    testees: int
    active_plans: int
    jobs: int
    enabled_jobs: Annotated[int, Meta(description="Of the jobs, those that time fires.")]
    executions: Annotated[int, Meta(description="Executions that wait or run, up to 10000.")]
    due_tasks: Annotated[int, Meta(description="Pending tasks that wait for the next sweep, up to 10000.")]
    opened_tasks: Annotated[int, Meta(description="Tasks whose link works, up to 10000.")]


@get(
    "/admin/tenants/usage",
    opt=ADMINISTERING,
    tags=["administration"],
    summary="Show what tenants have",
    dependencies={
        "tenants": given("tenant_administration"),
        "users": given("user_administration"),
        "accounts": given("service_account_administration"),
        "keys": given("api_key_administration"),
        "plans": given("plan_holdings"),
        "tasks": given("task_standings"),
        "jobs": given("job_reading"),
        "standings": given("job_standings"),
    },
)
async def tenant_usage(
    request: Request[Principal, Any, Any],
    tenants: Given[TenantAdministration],
    users: Given[UserAdministration],
    accounts: Given[ServiceAccountAdministration],
    keys: Given[ApiKeyAdministration],
    plans: Given[PlanHoldings],
    tasks: Given[TaskStandings],
    jobs: Given[JobReading],
    standings: Given[JobStandings],
    ids: FromQuery[TenantIds],
) -> Response[Success[list[TenantUsage]]]:
    """In the order of their short names; a tenant that is not there for the caller is left out."""
    wanted = ids_in(ids)
    found = []
    for tenant in await tenants.list():
        if tenant.id not in wanted or not is_theirs(request.user, tenant.id):
            continue
        now = await jobs.now(tenant.id)
        held, total = await plans.of(tenant.id), await jobs.total(tenant.id)
        standing, active = await tasks.of(tenant.id), (await standings.of(tenant.id)).active
        machines = [each.is_enabled for each in await accounts.list(tenant.id)]
        machines += [each.is_active(now) for each in await keys.list(tenant.id)]
        found.append(
            TenantUsage(
                tenant_id=tenant.id,
                users=sum(each.is_enabled for each in await users.list(tenant.id)),
                machines=sum(machines),
                testees=held.testees,
                active_plans=held.active_plans,
                jobs=total["total"],
                enabled_jobs=total["enabled"],
                executions=active,
                due_tasks=standing.due,
                opened_tasks=standing.opened,
            )
        )
    return success(found)
