"""``/webhooks/{id}/deliveries``: what an endpoint was sent, and sending it again."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, FromQuery
from msgspec import Meta

from qs.application.webhook.history import WebhookHistory
from qs.application.webhook.ports import DeliveryFilter
from qs.domain.identity.principal import Principal
from qs.domain.webhook.delivery import DeliveryStatus
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.paging import CursorToken, PageSize, Slice, read_cursor, write_cursor
from qs.interface.rest.webhooks.controller import READING, WRITING
from qs.interface.rest.webhooks.dto import WebhookDeliveryView, WebhookReplayRequest, WebhookReplayView

Since = Annotated[datetime, Meta(tz=True, description="Only those made then or later.")]


class WebhookDeliveryController(Controller):
    path = "/webhooks/{webhook_id:uuid}"
    tags = ("webhooks",)
    dependencies = {"history": given("webhook_history")}  # noqa: RUF012 - litestar's way to declare

    @get("/deliveries", opt=READING, summary="List what a webhook endpoint was sent, newest first")
    async def index(
        self,
        webhook_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        history: Given[WebhookHistory],
        status: FromQuery[DeliveryStatus | None] = None,
        since: FromQuery[Since | None] = None,
        cursor: FromQuery[CursorToken | None] = None,
        page_size: FromQuery[PageSize] = 20,
    ) -> Response[Success[Slice[WebhookDeliveryView]]]:
        """With all attempts. What was accepted is kept for 30 days, what is dead for 90."""
        position = read_cursor("webhook_deliveries", cursor, UUID)
        page = await history.list(
            request.user.home_tenant,
            webhook_id,
            DeliveryFilter(status, since),
            before=position[0] if position else None,
            limit=page_size,
        )
        more = write_cursor("webhook_deliveries", page.before) if page.before else None
        return success(Slice([WebhookDeliveryView.of(each) for each in page.deliveries], more))

    @post("/replay", opt=WRITING, status_code=200, summary="Send deliveries of a webhook endpoint again")
    async def replay(
        self,
        webhook_id: FromPath[UUID],
        data: WebhookReplayRequest,
        request: Request[Principal, Any, Any],
        history: Given[WebhookHistory],
    ) -> Response[Success[WebhookReplayView]]:
        """Under their ids, the oldest first, at most 10,000 at a time. 409 while the endpoint is disabled."""
        done = await history.replay(
            request.user.home_tenant, webhook_id, data.replay(), actor=request.user.actor
        )
        return success(WebhookReplayView.of(done))
