"""``/admin/tenants``: for administrators of the default tenant all tenants, for those of another their own.

What is another's answers as absent. Who may not set everything may set the name, the zone and the contacts of their own
tenant: its status and its quotas are an agreement with whoever runs the installation.
"""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, patch, post
from litestar.params import FromPath

from qs.application.identity.administering_tenants import TenantAdministration
from qs.domain.identity.errors import OwnTenantSuspended, TenantAbsent, TenantsForOperators
from qs.domain.identity.principal import Principal
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.etags import etag, expected_version, versioned
from qs.interface.rest.identity.fields import ADMINISTERING
from qs.interface.rest.identity.tenant_dto import (
    TenantPatchRequest,
    TenantRequest,
    TenantSummary,
    TenantView,
    contacts_in,
    quotas_in,
)
from qs.interface.rest.paging import Page, PageRequest, counted_pages


class TenantController(Controller):
    path = "/admin/tenants"
    tags = ("administration",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "tenants": given("tenant_administration"),
        "paging": counted_pages,
    }

    @post("/", opt={**ADMINISTERING, "idempotent": True}, summary="Create a tenant")
    async def create(
        self, data: TenantRequest, request: Request[Principal, Any, Any], tenants: Given[TenantAdministration]
    ) -> Response[Success[TenantView]]:
        """With the starter scales in its catalogue, and its first administrator if `administrator` names one.

        For administrators of the default tenant.
        """
        if not request.user.acts_for_installation:
            raise TenantsForOperators
        made = await tenants.create(
            data.slug,
            data.name,
            data.timezone,
            actor=request.user.actor,
            staff_contacts=contacts_in(data.staff_contacts),
            quotas=quotas_in(data.quotas),
            administrator=data.newcomer(),
        )
        headers = {"Location": f"/api/v1/admin/tenants/{made.id}", "ETag": etag(made.version)}
        return success(TenantView.of(made), 201, headers)

    @get("/", opt=ADMINISTERING, summary="List the tenants by short name")
    async def index(
        self,
        request: Request[Principal, Any, Any],
        tenants: Given[TenantAdministration],
        paging: Given[PageRequest],
    ) -> Response[Success[Page[TenantSummary]]]:
        """All of them for administrators of the default tenant, for those of another their own."""
        found = [tenant for tenant in await tenants.list() if is_theirs(request.user, tenant.id)]
        shown = found[paging.offset : paging.offset + paging.page_size]
        items = [TenantSummary.of(tenant) for tenant in shown]
        return success(Page(items, len(found), paging.page, paging.page_size))

    @get("/{tenant_id:uuid}", opt=ADMINISTERING, summary="Show a tenant")
    async def show(
        self,
        tenant_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        tenants: Given[TenantAdministration],
    ) -> Response[Success[TenantView]]:
        _require_theirs(request.user, tenant_id)
        tenant = await tenants.show(tenant_id)
        return versioned(request, TenantView.of(tenant), tenant.version)

    @patch("/{tenant_id:uuid}", opt=ADMINISTERING, summary="Change a tenant")
    async def change(
        self,
        tenant_id: FromPath[UUID],
        data: TenantPatchRequest,
        request: Request[Principal, Any, Any],
        tenants: Given[TenantAdministration],
    ) -> Response[Success[TenantView]]:
        """`status` and `quotas` are for administrators of the default tenant. A lower quota takes nothing away."""
        caller = request.user
        _require_theirs(caller, tenant_id)
        if data.is_for_operators() and not caller.acts_for_installation:
            raise TenantsForOperators
        if data.suspends() and tenant_id == caller.home_tenant:
            raise OwnTenantSuspended
        tenant = await tenants.change(
            tenant_id, data.change(), actor=caller.actor, version=expected_version(request)
        )
        return versioned(request, TenantView.of(tenant), tenant.version)


def _require_theirs(caller: Principal, tenant_id: UUID) -> None:
    if not is_theirs(caller, tenant_id):
        raise TenantAbsent


def is_theirs(caller: Principal, tenant_id: UUID) -> bool:
    """Whether the tenant exists for the caller; the platform's own exists for nobody."""
    if tenant_id == PLATFORM_TENANT:
        return False
    return caller.acts_for_installation or tenant_id == caller.home_tenant
