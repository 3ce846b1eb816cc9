"""``/events``: what happened, resumable by position, and publishing it again."""

from typing import Annotated, Any, Literal

from litestar import Controller, Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.openapi.spec.example import Example
from litestar.params import BodyKwarg, FromQuery
from msgspec import Meta

from qs.application.kernel.feed import EventFeed, EventReplay
from qs.domain.identity.principal import Principal
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.events.dto import FeedPage, Position, ReplayBody, ReplayView
from qs.interface.rest.paging import PageSize

_BODY = BodyKwarg(
    media_type=RequestEncodingType.JSON, examples=[Example(value={"after": 1200, "before": 1300})]
)
Context = Annotated[Literal["plan", "scheduler", "webhook"], Meta(description="Only events of this context.")]


class EventController(Controller):
    path = "/events"
    tags = ("events",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "feed": given("event_feed"),
        "replays": given("event_replay"),
    }

    @get("/", opt={"scope": "events:read"}, summary="Read the event feed, oldest first")
    async def read(
        self,
        request: Request[Principal, Any, Any],
        feed: Given[EventFeed],
        after: FromQuery[Position] = 0,
        context: FromQuery[Context | None] = None,
        page_size: FromQuery[PageSize] = 20,
    ) -> Response[Success[FeedPage]]:
        """A client that keeps `next_after` and asks again with it sees every event of its tenant once."""
        return success(FeedPage.of(await feed.read(request.user.home_tenant, after, page_size, context)))

    @post("/replay", opt={"scope": "events:write"}, status_code=200, summary="Publish events again")
    async def replay(
        self,
        data: Annotated[ReplayBody, _BODY],
        request: Request[Principal, Any, Any],
        replays: Given[EventReplay],
    ) -> Response[Success[ReplayView]]:
        """Under their ids, at most 10,000 at a time. What a subscriber of qs has acted on, it does not do again."""
        data.check()
        tenant_id, actor = request.user.home_tenant, request.user.actor
        if data.subscriber is not None:
            done = await replays.revive(tenant_id, data.subscriber, actor=actor, event_ids=data.ids)
        else:
            done = await replays.replay(
                tenant_id, actor=actor, after=data.after, before=data.before, event_ids=data.ids
            )
        return success(ReplayView.of(done))
