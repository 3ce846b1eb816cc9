"""What replaying a range takes and answers."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from qs.interface.rest.bodies import Body, Instant
from qs.interface.rest.plan.examples import a_body_like


class RangeReplayBody(Body):
    """Dead notifications that were made from `since` until before `until`; `status` alone means all that are dead."""

    since: Instant | None = None
    until: Instant | None = None
    channel: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    status: Literal["dead"] | None = None


RangeReplayRequest = Annotated[
    RangeReplayBody, a_body_like(since="2026-03-01T00:00:00Z", until="2026-03-02T00:00:00Z", channel="email")
]


class RangeReplayView(Struct):
    """`more`: there are more than the 10,000 of one call; the same call goes on."""

    replayed: int
    more: bool
