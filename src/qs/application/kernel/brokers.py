"""What goes through a message broker, in either direction, and the ports to it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from qs.domain.kernel.errors import QsError, Unavailable

CONTENT_TYPE = "application/cloudevents+json"


class BrokerUnavailable(Unavailable):
    code = "broker.unavailable"
    sentence = (
        "the message broker does not answer or gives no confirmation; events stay recorded and follow in their order"
        " when it is back"
    )


class MessageRefused(QsError):
    """The broker will not take this message, however often it is sent."""

    code = "broker.message_refused"
    sentence = "the message broker refuses this message for good, most often for its size"


class OutgoingEvent(NamedTuple):
    """A CloudEvent in its structured JSON form.

    ``id`` is the event's id, the same at every sending; ``key`` its partition key, whose events are read in order.
    """

    id: str
    key: str
    context: str
    name: str
    body: bytes


class EventBroker(Protocol):
    """Where events go out to other systems. One connection; used by one task at a time."""

    async def connect(self) -> None:
        """Makes sure that there is a connection, and what is published to. Raises BrokerUnavailable."""

    async def publish(self, events: Sequence[OutgoingEvent]) -> Sequence[QsError | None]:
        """Sends the events in order and waits for the broker's word on each, some seconds at most.

        Each outcome is None once the broker has stored the event, MessageRefused when it never will, and
        BrokerUnavailable when that is not known: it may have been stored or not.
        """

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that is not acted on, however often it comes: kept at the broker for people to look at."""

    code: str
    reason: str


MessageHandler = Callable[[bytes], Awaitable[DeadLetter | None]]
"""Acts on a message, so that acting on it again changes nothing.

None when it is done, a dead letter when it never will be; raising puts it back, to come again a little later.
"""


class MessageQueue(Protocol):
    """A queue of a broker that messages come in by."""

    async def consume(self, handle: MessageHandler, stop: asyncio.Event) -> None:
        """Hands over what comes until ``stop``. Messages are acknowledged after they were handled, never before.

        Raises:
            BrokerUnavailable: the connection is lost; what was not acknowledged comes again.
        """


def settled(outcomes: Sequence[QsError | None]) -> int:
    """How many outcomes from the first on are known: stored, or refused for good."""
    for number, outcome in enumerate(outcomes):
        if outcome is not None and not isinstance(outcome, MessageRefused):
            return number
    return len(outcomes)
