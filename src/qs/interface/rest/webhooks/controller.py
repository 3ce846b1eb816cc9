"""``/webhooks``: where a tenant's events are posted."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody

from qs.application.webhook.keeping import WebhookKeeping
from qs.application.webhook.trying import WebhookTrying
from qs.domain.identity.principal import Principal
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.etags import expected_version, versioned
from qs.interface.rest.identity.controller import NEVER_STORED
from qs.interface.rest.paging import Page, PageRequest, counted_pages
from qs.interface.rest.webhooks.dto import (
    NewWebhook,
    NewWebhookView,
    RotationBody,
    TrialView,
    WebhookPatch,
    WebhookView,
)

READING = {"scope": "webhooks:read"}
WRITING = {"scope": "webhooks:write"}


class WebhookController(Controller):
    path = "/webhooks"
    tags = ("webhooks",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "keeping": given("webhook_keeping"),
        "trying": given("webhook_trying"),
        "paging": counted_pages,
    }

    @get("/", opt=READING, summary="List the webhook endpoints, the oldest first")
    async def index(
        self,
        request: Request[Principal, Any, Any],
        keeping: Given[WebhookKeeping],
        paging: Given[PageRequest],
    ) -> Response[Success[Page[WebhookView]]]:
        found = await keeping.list(request.user.home_tenant)
        shown = found[paging.offset : paging.offset + paging.page_size]
        items = [WebhookView.of(endpoint) for endpoint in shown]
        return success(Page(items, len(found), paging.page, paging.page_size))

    @post("/", opt={**WRITING, "idempotent": True, "secret": True}, summary="Create a webhook endpoint")
    async def create(
        self, data: NewWebhook, request: Request[Principal, Any, Any], keeping: Given[WebhookKeeping]
    ) -> Response[Success[NewWebhookView]]:
        """It gets what happens from now on. 409 where the tenant has 20 already."""
        made = await keeping.create(
            request.user.home_tenant, data.name, data.url, data.events, actor=request.user.actor
        )
        response = versioned(
            request, NewWebhookView.made(made.endpoint, made.secret), made.endpoint.version, 201
        )
        response.headers.update({"Location": f"/api/v1/webhooks/{made.endpoint.id}", **NEVER_STORED})
        return response

    @get("/{webhook_id:uuid}", opt=READING, summary="Show a webhook endpoint")
    async def show(
        self,
        webhook_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        keeping: Given[WebhookKeeping],
    ) -> Response[Success[WebhookView]]:
        endpoint = await keeping.get(request.user.home_tenant, webhook_id)
        return versioned(request, WebhookView.of(endpoint), endpoint.version)

    @patch("/{webhook_id:uuid}", opt=WRITING, summary="Change, enable or disable a webhook endpoint")
    async def change(
        self,
        webhook_id: FromPath[UUID],
        data: WebhookPatch,
        request: Request[Principal, Any, Any],
        keeping: Given[WebhookKeeping],
    ) -> Response[Success[WebhookView]]:
        """What waits for one that is disabled is skipped, and so is what comes meanwhile; both can be replayed."""
        endpoint = await keeping.change(
            request.user.home_tenant,
            webhook_id,
            data.change(),
            actor=request.user.actor,
            version=expected_version(request),
        )
        return versioned(request, WebhookView.of(endpoint), endpoint.version)

    @delete("/{webhook_id:uuid}", opt=WRITING, status_code=200, summary="Delete a webhook endpoint")
    async def remove(
        self,
        webhook_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        keeping: Given[WebhookKeeping],
    ) -> Response[Success[None]]:
        """Its history is gone with it."""
        await keeping.remove(
            request.user.home_tenant, webhook_id, actor=request.user.actor, version=expected_version(request)
        )
        return success(None)

    @post(
        "/{webhook_id:uuid}/rotate-secret",
        opt={**WRITING, "secret": True},
        status_code=200,
        summary="Give a webhook endpoint a new secret",
    )
    async def rotate(
        self,
        webhook_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        keeping: Given[WebhookKeeping],
        data: JSONBody[RotationBody | None] = None,
    ) -> Response[Success[NewWebhookView]]:
        """The secret before it signs as well for `overlap_hours`, so that the receiver can change over."""
        made = await keeping.rotate(
            request.user.home_tenant,
            webhook_id,
            (data or RotationBody()).overlap,
            actor=request.user.actor,
            version=expected_version(request),
        )
        response = versioned(request, NewWebhookView.made(made.endpoint, made.secret), made.endpoint.version)
        response.headers.update(NEVER_STORED)
        return response

    @post(
        "/{webhook_id:uuid}/test",
        opt=WRITING,
        status_code=200,
        summary="Send a webhook endpoint a test event",
    )
    async def test(
        self, webhook_id: FromPath[UUID], request: Request[Principal, Any, Any], trying: Given[WebhookTrying]
    ) -> Response[Success[TrialView]]:
        """A `qs.webhook.test` event, sent once and at once, also to a disabled endpoint; it is in the history."""
        trial = await trying.send(request.user.home_tenant, webhook_id, actor=request.user.actor)
        return success(TrialView.of(trial))
