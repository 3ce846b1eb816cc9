"""``/admin/service-accounts``: a tenant's machines that get tokens by client credentials."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, post
from litestar.params import FromPath
from msgspec import Struct

from qs.application.identity.administering_service_accounts import (
    NewServiceAccount,
    ServiceAccountAdministration,
)
from qs.domain.identity.accounts import ServiceAccount
from qs.domain.identity.principal import Principal
from qs.interface.rest.bodies import Body
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.identity.controller import NEVER_STORED
from qs.interface.rest.identity.fields import ADMINISTERING, MachineName, ScopeNames
from qs.interface.rest.paging import Page, PageRequest, counted_pages
from qs.interface.rest.plan.examples import a_body_like


class ServiceAccountBody(Body):
    name: MachineName
    scopes: ScopeNames


ServiceAccountRequest = Annotated[
    ServiceAccountBody, a_body_like(name="crontab", scopes=["tasks:schedule", "statistics:sync"])
]


class ServiceAccountView(Struct, kw_only=True):
    """An account without its secret. `disabled_at` is null while it gets tokens."""

    id: UUID
    name: str
    client_id: str
    scopes: list[str]
    created_at: datetime
    disabled_at: datetime | None

    @classmethod
    def of(cls, account: ServiceAccount) -> "ServiceAccountView":
        return cls(**_shown(account))


class NewServiceAccountView(ServiceAccountView, kw_only=True):
    """`client_secret` goes with `client_id` to `/oauth2/token`; it is shown this once."""

    client_secret: str

    @classmethod
    def with_secret(cls, made: NewServiceAccount) -> "NewServiceAccountView":
        return cls(**_shown(made.account), client_secret=made.client_secret)


def _shown(account: ServiceAccount) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "client_id": account.client_id,
        "scopes": sorted(account.scopes),
        "created_at": account.created_at,
        "disabled_at": account.disabled_at,
    }


class ServiceAccountController(Controller):
    path = "/admin/service-accounts"
    tags = ("administration",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "accounts": given("service_account_administration"),
        "paging": counted_pages,
    }

    @post("/", opt={**ADMINISTERING, "idempotent": True, "secret": True}, summary="Create a service account")
    async def create(
        self,
        data: ServiceAccountRequest,
        request: Request[Principal, Any, Any],
        accounts: Given[ServiceAccountAdministration],
    ) -> Response[Success[NewServiceAccountView]]:
        caller = request.user
        made = await accounts.create(caller.home_tenant, data.name, data.scopes, actor=caller.actor)
        location = {"Location": f"/api/v1/admin/service-accounts/{made.account.id}"}
        return success(NewServiceAccountView.with_secret(made), 201, NEVER_STORED | location)

    @get("/", opt=ADMINISTERING, summary="List the service accounts by name")
    async def index(
        self,
        request: Request[Principal, Any, Any],
        accounts: Given[ServiceAccountAdministration],
        paging: Given[PageRequest],
    ) -> Response[Success[Page[ServiceAccountView]]]:
        """Disabled ones too."""
        found = await accounts.list(request.user.home_tenant)
        shown = found[paging.offset : paging.offset + paging.page_size]
        items = [ServiceAccountView.of(account) for account in shown]
        return success(Page(items, len(found), paging.page, paging.page_size))

    @get("/{account_id:uuid}", opt=ADMINISTERING, summary="Show a service account")
    async def show(
        self,
        account_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        accounts: Given[ServiceAccountAdministration],
    ) -> Response[Success[ServiceAccountView]]:
        return success(ServiceAccountView.of(await accounts.get(request.user.home_tenant, account_id)))

    @post(
        "/{account_id:uuid}/secret",
        opt={**ADMINISTERING, "idempotent": True, "secret": True},
        status_code=200,
        summary="Give a service account a new secret",
    )
    async def renew_secret(
        self,
        account_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        accounts: Given[ServiceAccountAdministration],
    ) -> Response[Success[NewServiceAccountView]]:
        """The old one gets no more tokens from now on; tokens that were got with it go on until they expire."""
        caller = request.user
        made = await accounts.renew_secret(caller.home_tenant, account_id, actor=caller.actor)
        return success(NewServiceAccountView.with_secret(made), headers=NEVER_STORED)

    @delete("/{account_id:uuid}", opt=ADMINISTERING, status_code=200, summary="Disable a service account")
    async def disable(
        self,
        account_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        accounts: Given[ServiceAccountAdministration],
    ) -> Response[Success[ServiceAccountView]]:
        """It stays in the list; its tokens work nowhere any more within 3 s. Disabling again changes nothing."""
        caller = request.user
        account = await accounts.disable(caller.home_tenant, account_id, actor=caller.actor)
        return success(ServiceAccountView.of(account))
