"""Publishing again what is not acknowledged, so that losing Redis costs latency and nothing else."""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

import structlog

from qs.application.kernel import crash, tracing
from qs.application.kernel.cloud_events import PublishedEvent
from qs.application.kernel.streams import Envelopes, EventStreams
from qs.application.kernel.subscriptions import Subscription

_log = structlog.get_logger()


class Extent(NamedTuple):
    """How far publication has come, and when that was so."""

    through: int
    at: datetime


class RepublishingTurn(Protocol):
    """The right to publish again for one subscriber, until the transaction ends.

    ``acknowledged`` is the position through which the subscriber has acted on everything.
    """

    acknowledged: int

    async def advance(self) -> None:
        """Moves ``acknowledged`` on over what is done or dead."""

    async def overdue(self, after: timedelta, limit: int) -> Sequence[PublishedEvent]:
        """Unacknowledged events whose last publication is older than ``after``, doubled with each publication.

        Looks no further than a bounded window behind ``acknowledged``.
        """

    async def lost(self, beyond: int, extent: Extent, limit: int) -> Sequence[PublishedEvent]:
        """Unacknowledged events beyond a position and within the extent, not published since."""

    async def mark(self, event_ids: Collection[UUID]) -> None:
        """Counts a publication of these."""

    async def commit(self, at: str) -> None: ...


class RepublishingOutbox(Protocol):
    async def extent(self) -> Extent: ...

    def turn(
        self, subscription: Subscription, *, wait: bool
    ) -> AbstractAsyncContextManager[RepublishingTurn | None]:
        """The turn; without ``wait`` None while another process has it."""


class Republishing:
    """Looks, for each subscriber, for what it should have acted on and has not.

    Set-aside events are left out: the subscriber keeps them itself and needs no stream for them.
    """

    def __init__(
        self,
        outbox: RepublishingOutbox,
        streams: EventStreams,
        envelopes: Envelopes,
        subscriptions: Sequence[Subscription],
        *,
        after: timedelta,
        batch: int = 1000,
    ) -> None:
        self._outbox = outbox
        self._streams = streams
        self._envelopes = envelopes
        self._subscriptions = subscriptions
        self._after = after
        self._batch = envelopes.within(batch)

    async def republish_overdue(self) -> int:
        """Publishes again at most a batch per subscriber of what is overdue; returns how many.

        Raises:
            StreamsUnavailable: some of it could not be published.
        """
        count = 0
        for subscription in self._subscriptions:
            async with self._outbox.turn(subscription, wait=False) as turn:
                if turn is None:
                    continue
                await turn.advance()
                events = await turn.overdue(self._after, self._batch)
                await self._publish(turn, events)
                await turn.commit("republish.overdue")
            count += len(events)
        if count:
            _log.info("events_republished", count=count, cause="overdue")
        return count

    async def heal(self) -> int:
        """If the streams may have lost entries, publishes again everything unacknowledged; returns how many.

        Raises:
            StreamsUnavailable: not everything could be published; the next call starts anew.
        """
        if await self._streams.intact():
            return 0
        # What is published from now on is not lost.
        extent = await self._outbox.extent()
        count = sum([await self._restore(subscription, extent) for subscription in self._subscriptions])
        await crash.hit("republish.before_vouch")
        await self._streams.vouch()
        _log.info("events_republished", count=count, cause="streams_lost")
        return count

    async def _restore(self, subscription: Subscription, extent: Extent) -> int:
        count, beyond, more = 0, 0, True
        while more:
            async with self._outbox.turn(subscription, wait=True) as turn:
                assert turn is not None
                events = await turn.lost(max(beyond, turn.acknowledged), extent, self._batch)
                await self._publish(turn, events)
                await turn.commit("republish.restore")
            count += len(events)
            more = len(events) == self._batch
            beyond = events[-1].position if events else beyond
        return count

    async def _publish(self, turn: RepublishingTurn, events: Sequence[PublishedEvent]) -> None:
        if events:
            envelopes = await self._envelopes.seal(events)
            await crash.hit("republish.before_publish")
            with tracing.spans(
                "publish events again",
                {"messaging.operation.type": "send"},
                kind="producer",
                parents=(event.traceparent for event in events),
            ):
                await self._streams.publish(envelopes)
            await crash.hit("republish.after_publish")
            await turn.mark([event.id for event in events])
