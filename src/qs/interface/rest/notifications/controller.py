"""``/notifications``: what was sent to whom, and what was not."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, FromQuery
from msgspec import Meta

from qs.application.notification.ports import DeliveryFilter
from qs.application.notification.range_replay import NotificationRangeReplay
from qs.application.notification.reading import NotificationReading, NotificationReplay
from qs.domain.identity.principal import Principal
from qs.domain.notification.delivery import DeliveryStatus
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.notifications.dto import (
    NotificationHistoryView,
    NotificationView,
    history_view,
    notification_view,
)
from qs.interface.rest.notifications.range_dto import RangeReplayRequest, RangeReplayView
from qs.interface.rest.paging import CursorToken, PageSize, Slice, read_cursor, write_cursor

ChannelName = Annotated[str, Meta(min_length=1, max_length=64, description="Only over this channel.")]


class NotificationController(Controller):
    path = "/notifications"
    tags = ("notifications",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "reading": given("notification_reading"),
        "replays": given("notification_replay"),
        "range_replays": given("notification_range_replay"),
    }

    @get("/", opt={"scope": "notifications:read"}, summary="List notifications, newest first")
    async def index(
        self,
        request: Request[Principal, Any, Any],
        reading: Given[NotificationReading],
        task_id: FromQuery[UUID | None] = None,
        status: FromQuery[DeliveryStatus | None] = None,
        channel: FromQuery[ChannelName | None] = None,
        cursor: FromQuery[CursorToken | None] = None,
        page_size: FromQuery[PageSize] = 20,
    ) -> Response[Success[Slice[NotificationView]]]:
        position = read_cursor("notifications", cursor, UUID)
        page = await reading.list(
            request.user.home_tenant,
            DeliveryFilter(task_id, status, channel),
            before=position[0] if position else None,
            limit=page_size,
        )
        more = write_cursor("notifications", page.before) if page.before else None
        return success(Slice([notification_view(delivery) for delivery in page.deliveries], more))

    @get("/{notification_id:uuid}", opt={"scope": "notifications:read"}, summary="Show a notification")
    async def show(
        self,
        notification_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        reading: Given[NotificationReading],
    ) -> Response[Success[NotificationHistoryView]]:
        """With all its attempts."""
        return success(history_view(await reading.show(request.user.home_tenant, notification_id)))

    @post(
        "/{notification_id:uuid}/replay",
        opt={"scope": "notifications:write"},
        status_code=200,
        summary="Send a dead notification anew",
    )
    async def replay(
        self,
        notification_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        replays: Given[NotificationReplay],
    ) -> Response[Success[NotificationView]]:
        """Under its id and with all its attempts. One that was not given up answers 409."""
        principal = request.user
        done = await replays.replay(principal.home_tenant, notification_id, actor=principal.actor)
        return success(notification_view(done))

    @post(
        "/replay",
        opt={"scope": "notifications:write"},
        status_code=200,
        summary="Send a range of dead notifications anew",
    )
    async def replay_range(
        self,
        data: RangeReplayRequest,
        request: Request[Principal, Any, Any],
        range_replays: Given[NotificationRangeReplay],
    ) -> Response[Success[RangeReplayView]]:
        """Under their ids, the oldest first, at most 10,000 at a time."""
        done = await range_replays.replay(
            request.user.home_tenant,
            actor=request.user.actor,
            since=data.since,
            until=data.until,
            channel=data.channel,
            everything=data.status is not None,
        )
        return success(RangeReplayView(done.replayed, done.more))
