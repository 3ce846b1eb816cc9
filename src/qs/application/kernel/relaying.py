"""From the outbox to the streams: every recorded event gets its position once and is published in that order."""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol, TypeVar, cast

from qs.application.kernel import crash, tracing
from qs.application.kernel.cloud_events import PublishedEvent
from qs.application.kernel.streams import Envelopes, EventStreams, StreamsUnavailable

T = TypeVar("T")
U = TypeVar("U")


class RelayTurn(Protocol):
    """The right to publish, held by one process at a time until its transaction ends."""

    async def waiting(self, limit: int) -> Sequence[PublishedEvent]:
        """The next events, in order, whose position was committed earlier and which are not in the streams yet."""

    def published(self, through: int) -> None:
        """Everything up to that position is in the streams."""

    async def assign(self, limit: int) -> int:
        """Gives the next positions to at most ``limit`` recorded events; returns how many."""

    async def commit(self, at: str) -> None:
        """Keeps what was assigned and published."""


class RelayOutbox(Protocol):
    async def has_work(self) -> bool: ...

    def turn(self) -> AbstractAsyncContextManager[RelayTurn | None]:
        """The turn, or None while another process has it."""


class Relay:
    """Publishes the outbox; any number of processes may, and they take turns.

    A cycle publishes what an earlier cycle gave a position and committed, then gives positions to more. So:
    1. a position is final before anybody outside can see it, in the feed or in a stream;
    2. streams carry events in the order of their positions;
    3. a crash before the commit publishes the same events again under the same ids and positions.
    While Redis is away positions are still given, so that the feed goes on.
    """

    def __init__(
        self, outbox: RelayOutbox, streams: EventStreams, envelopes: Envelopes, *, batch: int = 1000
    ) -> None:
        self._outbox = outbox
        self._streams = streams
        self._envelopes = envelopes
        self._batch = envelopes.within(batch)

    async def cycle(self) -> bool:
        """Does one turn's work; True when there may be more at once.

        Raises:
            StreamsUnavailable: positions were given, but nothing was published.
        """
        if not await self._outbox.has_work():
            return False
        async with self._outbox.turn() as turn:
            if turn is None:
                return False
            events = await turn.waiting(self._batch)
            # Redis and PostgreSQL work at the same time; both are done before anything is concluded.
            assigned, published = await _both(turn.assign(self._batch), self._publish(events))
            if events and published.failure is None:
                turn.published(events[-1].position)
            await turn.commit("relay.turn")
        if published.failure is not None:
            raise published.failure
        return bool(events or assigned)

    async def _publish(self, events: Sequence[PublishedEvent]) -> "_Published":
        if events:
            # What waits to be sent to PostgreSQL leaves before this process is busy with the events.
            await asyncio.sleep(0)
            try:
                envelopes = await self._envelopes.seal(events)
                await crash.hit("relay.before_publish")
                with tracing.spans(
                    "publish events",
                    {"messaging.operation.type": "send"},
                    kind="producer",
                    parents=(event.traceparent for event in events),
                ):
                    await self._streams.publish(envelopes)
                await crash.hit("relay.after_publish")
            except StreamsUnavailable as failure:
                return _Published(failure)
        return _Published(None)


class _Published(NamedTuple):
    failure: StreamsUnavailable | None


async def _both(first: Awaitable[T], second: Awaitable[U]) -> tuple[T, U]:
    """The results of two things done at once; raises what one of them raised, but only when both have ended."""
    one, two = await asyncio.gather(first, second, return_exceptions=True)
    for outcome in (one, two):
        if isinstance(outcome, BaseException):
            raise outcome
    return cast("T", one), cast("U", two)
