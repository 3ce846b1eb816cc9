"""From the outbox to a message broker: every event at least once, in the order of the positions."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import msgspec
import structlog

from qs.application.kernel import crash, tracing
from qs.application.kernel.brokers import (
    BrokerUnavailable,
    EventBroker,
    MessageRefused,
    OutgoingEvent,
    settled,
)
from qs.application.kernel.cloud_events import PublishedEvent, cloud_event
from qs.application.kernel.subscriptions import StreamEntry, SubscribingUnitOfWork, Subscription

SUBSCRIBER = "broker"

_encode = msgspec.json.Encoder().encode
_log = structlog.get_logger()


class ForwardingTurn(Protocol):
    """The right to forward, held by one process at a time until its transaction ends.

    ``assigned`` is the last position that was given to an event.
    """

    assigned: int

    async def waiting(self, limit: int) -> Sequence[PublishedEvent]:
        """The next events, in order, that have their position and were not forwarded."""

    async def forwarded(self, through: int) -> None:
        """Everything up to that position is with the broker, or set aside."""

    async def commit(self, at: str) -> None: ...


class ForwardingOutbox(Protocol):
    async def has_work(self) -> bool: ...

    def turn(self) -> AbstractAsyncContextManager[ForwardingTurn | None]:
        """The turn, or None while another process has it."""


class EventForwarding:
    """Hands the outbox to the broker; any number of processes may, and they take turns.

    1. A turn reads the events behind the cursor, publishes them and waits for the broker's confirmations.
    2. The cursor moves over those that are confirmed from the first on, and the turn commits.
    3. Whatever happens in between sends the same events again, under the same ids.
    4. An event that the broker refuses for good is set aside before the cursor passes it, so that it holds up nobody:
       it is tried again alone, and ends as a dead letter of the subscriber ``broker``.
    It reads the outbox itself, so that Redis may be away; while the broker is, no transaction is held.
    """

    def __init__(
        self,
        outbox: ForwardingOutbox,
        broker: EventBroker,
        unit_of_work: Callable[[UUID], SubscribingUnitOfWork],
        *,
        batch: int = 1000,
    ) -> None:
        self._outbox = outbox
        self._broker = broker
        self._unit_of_work = unit_of_work
        self._batch = batch

    async def round(self) -> bool:
        """Forwards a batch; True when there may be more at once.

        Raises:
            BrokerUnavailable: some or all of it is not confirmed, and will be sent again.
        """
        if not await self._outbox.has_work():
            return False
        await self._broker.connect()
        async with self._outbox.turn() as turn:
            if turn is None:
                return False
            events = await turn.waiting(self._batch)
            count = await self._forward(events) if events else 0
            # Where nothing waits the events are gone already: they are older than what the outbox keeps.
            through = events[count - 1].position if count else turn.assigned
            if count or not events:
                await turn.forwarded(through)
                await turn.commit("forward.turn")
        if count < len(events):
            raise BrokerUnavailable
        return len(events) == self._batch

    async def _forward(self, events: Sequence[PublishedEvent]) -> int:
        """How many from the first on need not be sent again."""
        await crash.hit("forward.before_publish")
        with tracing.spans(
            "forward events",
            {"messaging.operation.type": "send", "qs.subscriber": SUBSCRIBER},
            kind="producer",
            parents=(event.traceparent for event in events),
        ):
            outcomes = await self._broker.publish([outgoing(event) for event in events])
        await crash.hit("forward.after_publish")
        count = settled(outcomes)
        told = zip(events[:count], outcomes, strict=False)
        await self._set_aside([event for event, outcome in told if isinstance(outcome, MessageRefused)])
        return count

    async def _set_aside(self, events: Sequence[PublishedEvent]) -> None:
        by_tenant: dict[UUID, list[UUID]] = defaultdict(list)
        for event in events:
            by_tenant[event.tenant_id].append(event.id)
        for tenant_id, event_ids in by_tenant.items():
            async with self._unit_of_work(tenant_id) as uow:
                await uow.inbox.set_aside(SUBSCRIBER, event_ids)
                await uow.commit("forward.set_aside")
            _log.warning("events_refused_by_broker", event_ids=event_ids)


class ForwardingAgain:
    """The subscriber that forwards what was set aside, or revived from the dead letters."""

    def __init__(self, broker: EventBroker, subscription: Subscription) -> None:
        self.subscription = subscription
        self._broker = broker

    async def handle(self, uow: SubscribingUnitOfWork, events: Sequence[PublishedEvent]) -> None:
        """Publishes them.

        Raises:
            BrokerUnavailable, MessageRefused: the first thing that went wrong.
        """
        await self._broker.connect()
        await crash.hit("forward_again.before_publish")
        outcomes = await self._broker.publish([outgoing(event) for event in events])
        await crash.hit("forward_again.after_publish")
        for outcome in outcomes:
            if outcome is not None:
                raise outcome


class NoStream:
    """The stream of a subscriber that reads the outbox itself, and needs only what it set aside."""

    async def read(self, limit: int, wait: timedelta) -> Sequence[StreamEntry]:
        return ()

    async def reclaim(self, limit: int, idle: timedelta) -> Sequence[StreamEntry]:
        return ()

    async def acknowledge(self, entries: Collection[StreamEntry]) -> None: ...


def outgoing(event: PublishedEvent) -> OutgoingEvent:
    """The event as the broker's subscribers read it: as in the stream, and never with a link."""
    return OutgoingEvent(
        str(event.id), str(event.partition_key), event.context, event.name, _encode(cloud_event(event))
    )
