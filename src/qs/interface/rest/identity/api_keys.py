"""``/admin/api-keys``: what a tenant's machines come in with."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, post
from litestar.params import FromPath
from msgspec import Meta, Struct

from qs.application.identity.administering_api_keys import ApiKeyAdministration
from qs.domain.identity.api_keys import LONGEST_LIFE, ApiKey
from qs.domain.identity.principal import Principal
from qs.interface.rest.bodies import Body
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.identity.controller import NEVER_STORED
from qs.interface.rest.identity.fields import ADMINISTERING, MachineName, ScopeNames
from qs.interface.rest.paging import Page, PageRequest, counted_pages
from qs.interface.rest.plan.examples import a_body_like


class ApiKeyBody(Body):
    """A new key. A second one of a name replaces the first, which works on until it is revoked."""

    name: MachineName
    scopes: ScopeNames
    expires_in_days: Annotated[int, Meta(ge=1, le=LONGEST_LIFE.days)] = 90


ApiKeyRequest = Annotated[
    ApiKeyBody, a_body_like(name="nightly-export", scopes=["statistics:read"], expires_in_days=90)
]


class ApiKeyView(Struct, kw_only=True):
    """A key without what its machine sends. ``last_used_at`` is cut down to the hour."""

    id: UUID
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> "ApiKeyView":
        return cls(**_shown(key))


class NewApiKeyView(ApiKeyView, kw_only=True):
    """``key`` is what the machine sends as ``Authorization: Bearer``; it is shown this once."""

    key: str


def _shown(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }


class ApiKeyController(Controller):
    path = "/admin/api-keys"
    tags = ("administration",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "keys": given("api_key_administration"),
        "paging": counted_pages,
    }

    @post("/", opt={**ADMINISTERING, "idempotent": True, "secret": True}, summary="Create an API key")
    async def create(
        self,
        data: ApiKeyRequest,
        request: Request[Principal, Any, Any],
        keys: Given[ApiKeyAdministration],
    ) -> Response[Success[NewApiKeyView]]:
        """409 while two keys of that name work already."""
        made = await keys.create(
            request.user.home_tenant,
            data.name,
            data.scopes,
            timedelta(data.expires_in_days),
            actor=request.user.actor,
        )
        location = {"Location": f"/api/v1/admin/api-keys/{made.key.id}"}
        return success(NewApiKeyView(**_shown(made.key), key=made.secret), 201, NEVER_STORED | location)

    @get("/", opt=ADMINISTERING, summary="List the API keys by name, the newest of a name first")
    async def index(
        self,
        request: Request[Principal, Any, Any],
        keys: Given[ApiKeyAdministration],
        paging: Given[PageRequest],
    ) -> Response[Success[Page[ApiKeyView]]]:
        found = await keys.list(request.user.home_tenant)
        shown = found[paging.offset : paging.offset + paging.page_size]
        items = [ApiKeyView.of(key) for key in shown]
        return success(Page(items, len(found), paging.page, paging.page_size))

    @get("/{key_id:uuid}", opt=ADMINISTERING, summary="Show an API key")
    async def show(
        self, key_id: FromPath[UUID], request: Request[Principal, Any, Any], keys: Given[ApiKeyAdministration]
    ) -> Response[Success[ApiKeyView]]:
        return success(ApiKeyView.of(await keys.get(request.user.home_tenant, key_id)))

    @delete("/{key_id:uuid}", opt=ADMINISTERING, status_code=200, summary="Revoke an API key")
    async def revoke(
        self, key_id: FromPath[UUID], request: Request[Principal, Any, Any], keys: Given[ApiKeyAdministration]
    ) -> Response[Success[ApiKeyView]]:
        """It stays in the list; within 3 s it works nowhere any more. Revoking again changes nothing."""
        key = await keys.revoke(request.user.home_tenant, key_id, actor=request.user.actor)
        return success(ApiKeyView.of(key))
