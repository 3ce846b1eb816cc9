"""What the event routes take and answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from qs.application.kernel.cloud_events import PublishedEvent, cloud_event
from qs.application.kernel.feed import Page, Replayed
from qs.domain.kernel.errors import Invalid, Problem
from qs.interface.rest.bodies import Body

Position = Annotated[
    int, Meta(ge=0, le=2**63 - 1, description="A position in the feed, as `next_after` gives it.")
]
SubscriberName = Annotated[str, Meta(min_length=1, max_length=64, examples=["notifications"])]
EventIds = Annotated[list[UUID], Meta(min_length=1, max_length=1000)]


class CloudEventView(Struct, kw_only=True):
    """CloudEvents 1.0 with the extensions partitionkey, sequence and, where traces are kept, traceparent: as in the
    stream, never with a link."""

    id: UUID
    source: Annotated[str, Meta(examples=["/tenants/00000000-0000-7000-8000-000000000001/plan"])]
    specversion: Annotated[str, Meta(examples=["1.0"])]
    type: Annotated[str, Meta(examples=["qs.plan.task_opened.v1"])]
    subject: Annotated[str, Meta(examples=["tasks/0198f0c2-7a31-7c55-9f0e-1d2c3b4a5968"])]
    time: datetime
    datacontenttype: str
    partitionkey: UUID
    sequence: Annotated[str, Meta(description="Grows strictly within its partition key; sorts as text.")]
    data: Mapping[str, Any]
    traceparent: (
        Annotated[str, Meta(description="The trace that the event was recorded in (W3C Trace Context).")]
        | UnsetType
    ) = UNSET

    @classmethod
    def of(cls, event: PublishedEvent) -> "CloudEventView":
        outside = cloud_event(event)
        return cls(
            id=event.id,
            source=outside.source,
            specversion=outside.specversion,
            type=outside.type,
            subject=outside.subject,
            time=outside.time,
            datacontenttype=outside.datacontenttype,
            partitionkey=event.partition_key,
            sequence=outside.sequence,
            data=msgspec.json.decode(event.data),
            traceparent=outside.traceparent,
        )


class FeedPage(Struct):
    """Events, oldest first. Reading on with `after` = `next_after` misses nothing, also from an empty page."""

    items: list[CloudEventView]
    next_after: int

    @classmethod
    def of(cls, page: Page) -> "FeedPage":
        return cls([CloudEventView.of(event) for event in page.events], page.next_after)


class ReplayBody(Body):
    """Which events: of these `ids`; or with positions between `after` and `before`, both exclusive; or the dead letters
    of a `subscriber`, all of them or those of `ids`."""

    after: Position | None = None
    before: Position | None = None
    ids: EventIds | None = None
    subscriber: SubscriberName | None = None
    dead: bool = False

    def check(self) -> None:
        """Raises ReplayUnclear unless it says one of the three things."""
        ranged = self.after is not None or self.before is not None
        if self.dead != (self.subscriber is not None):
            missing = "/subscriber" if self.dead else "/dead"
            raise ReplayUnclear(missing, "subscriber and dead: true go together")
        if self.dead and ranged:
            raise ReplayUnclear("/after" if self.after is not None else "/before", "does not go with dead")
        if not self.dead and ranged == (self.ids is not None):
            raise ReplayUnclear("/ids", "is required, or after or before instead")


class ReplayUnclear(Invalid):
    code = "events.replay_unclear"
    sentence = (
        "it is not clear which events to publish again; name ids, or a range, or a subscriber's dead letters"
    )

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__([Problem(pointer, detail)])


class ReplayView(Struct):
    """`next_after` is where to go on when there were more than one replay takes, else null."""

    published: int
    revived: int
    next_after: int | None

    @classmethod
    def of(cls, done: Replayed) -> "ReplayView":
        return cls(done.published, done.revived, done.next_after)
