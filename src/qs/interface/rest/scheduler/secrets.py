"""``/secrets``: what jobs refer to as ``secret://name``. A value goes in and never comes out again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from litestar import Controller, Request, Response, delete, get, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath
from msgspec import Meta, Struct

from qs.application.scheduler.keeping_secrets import SecretKeeping
from qs.domain.identity.principal import Principal
from qs.domain.scheduler.secrets import LONGEST_VALUE, SHORTEST_VALUE, StoredSecret
from qs.interface.rest.bodies import Body
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.etags import expected_version, versioned
from qs.interface.rest.paging import Page, PageRequest, counted_pages
from qs.interface.rest.plan.examples import a_body_like

READING = {"scope": "secrets:read"}
WRITING = {"scope": "secrets:write"}


class SecretBody(Body):
    """The value of a secret, which is stored encrypted and not shown again."""

    value: Annotated[str, Meta(min_length=SHORTEST_VALUE, max_length=LONGEST_VALUE)]


SecretRequest = Annotated[SecretBody, a_body_like(value="what the receiver expects")]


class SecretView(Struct, kw_only=True):
    """A secret without its value."""

    name: str
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, secret: StoredSecret) -> "SecretView":
        return cls(**_shown(secret))


class SecretDetail(SecretView, kw_only=True):
    """A secret without its value; ``used_by`` names up to 100 jobs whose target refers to it."""

    used_by: Sequence[str]


class RemovedSecret(Struct):
    """``used_by`` names up to 100 jobs that refer to what is gone and fail until it is set again."""

    used_by: Sequence[str]


CREATED = {201: ResponseSpec(Success[SecretView], description="Stored under a new name.")}


class SecretController(Controller):
    path = "/secrets"
    tags = ("scheduler",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "keeping": given("secret_keeping"),
        "paging": counted_pages,
    }

    @get("/", opt=READING, summary="List the secrets by name, without their values")
    async def index(
        self,
        request: Request[Principal, Any, Any],
        keeping: Given[SecretKeeping],
        paging: Given[PageRequest],
    ) -> Response[Success[Page[SecretView]]]:
        found = await keeping.list(request.user.home_tenant)
        items = [SecretView.of(each) for each in found[paging.offset : paging.offset + paging.page_size]]
        return success(Page(items, len(found), paging.page, paging.page_size))

    @get("/{name:str}", opt=READING, summary="Show a secret without its value")
    async def show(
        self, name: FromPath[str], request: Request[Principal, Any, Any], keeping: Given[SecretKeeping]
    ) -> Response[Success[SecretDetail]]:
        secret, used_by = await keeping.get(request.user.home_tenant, name)
        return versioned(request, SecretDetail(**_shown(secret), used_by=used_by), secret.version)

    @put("/{name:str}", opt=WRITING, summary="Store a secret", responses=CREATED)
    async def store(
        self,
        name: FromPath[str],
        data: SecretRequest,
        request: Request[Principal, Any, Any],
        keeping: Given[SecretKeeping],
    ) -> Response[Success[SecretView]]:
        """Attempts that begin from here on get this value. 201 for a new name, 200 in the place of what was there."""
        secret = await keeping.put(
            request.user.home_tenant,
            name,
            data.value,
            actor=request.user.actor,
            version=expected_version(request),
        )
        status = 201 if secret.version == 1 else 200
        return versioned(request, SecretView.of(secret), secret.version, status)

    @delete("/{name:str}", opt=WRITING, status_code=200, summary="Delete a secret")
    async def remove(
        self, name: FromPath[str], request: Request[Principal, Any, Any], keeping: Given[SecretKeeping]
    ) -> Response[Success[RemovedSecret]]:
        """Jobs may still refer to it; the answer names them."""
        used_by = await keeping.remove(
            request.user.home_tenant, name, actor=request.user.actor, version=expected_version(request)
        )
        return success(RemovedSecret(used_by))


def _shown(secret: StoredSecret) -> dict[str, Any]:
    return {
        "name": secret.name,
        "version": secret.version,
        "created_at": secret.created_at,
        "updated_at": secret.updated_at,
    }
