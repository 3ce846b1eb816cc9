"""Who acts on which events, exactly once each: the inbox row, the effect and the acknowledgement are one transaction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeVar
from uuid import UUID

from qs.application.kernel.cloud_events import PublishedEvent
from qs.application.kernel.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscriber by its name, which is stored and never changes, and the events it acts on.

    A new one starts with the oldest event the outbox still keeps.
    """

    subscriber: str
    contexts: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One counted try of one event; ``number`` counts from 1."""

    event_id: UUID
    number: int


class Inbox(Protocol):
    """What a subscriber has acted on, written in the transaction of the effect."""

    async def take(self, subscriber: str, event_ids: Collection[UUID]) -> Sequence[PublishedEvent]:
        """Marks as done those that are new, and returns them in the order of their positions.

        Left out are: what is done or dead, what was published more than once, what is set aside, and what the
        outbox of this tenant does not have, since a stream entry alone proves nothing.
        """

    async def take_again(self, subscriber: str, event_ids: Collection[UUID]) -> Sequence[PublishedEvent]:
        """As ``take``, for events that were set aside; they are no longer set aside once this commits."""

    async def set_aside(self, subscriber: str, event_ids: Collection[UUID]) -> None:
        """Keeps those not done yet to be tried again under count, whatever becomes of the stream."""

    async def claim_untried(self, subscriber: str, limit: int, lease: timedelta) -> Sequence[Attempt]:
        """Counts a first attempt of events set aside; nobody else gets them before the lease ends."""

    async def claim_tried(self, subscriber: str, lease: timedelta) -> Attempt | None:
        """Counts another attempt of one event that is due again."""

    async def postpone(
        self, subscriber: str, event_ids: Collection[UUID], error: str, delay: timedelta
    ) -> None:
        """Records why it failed and when to try again."""

    async def excuse(self, subscriber: str, event_ids: Collection[UUID], delay: timedelta) -> None:
        """Takes the last attempt off the count, as it was not these events that failed, and says when to try again."""

    async def bury(self, subscriber: str, event_id: UUID, error: str | None) -> None:
        """Makes it a dead letter, which stays until it is replayed; without ``error`` the last one recorded stands.

        None was recorded where the process ended each time.
        """


class SubscribingUnitOfWork(UnitOfWork, Protocol):
    @property
    def inbox(self) -> Inbox: ...


U_contra = TypeVar("U_contra", bound=SubscribingUnitOfWork, contravariant=True)


class Subscriber(Protocol[U_contra]):
    subscription: Subscription

    async def handle(self, uow: U_contra, events: Sequence[PublishedEvent]) -> None:
        """Does what follows from the events of one tenant, all within the unit of work, which the caller commits.

        Raising rolls everything back; the events are then tried one by one, and again later.
        """


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """Where an event was found in a stream."""

    stream: str
    entry_id: str
    event_id: UUID
    tenant_id: UUID


class StreamReader(Protocol):
    """One consumer of a subscriber's group. Lost groups and streams are made again while reading."""

    async def read(self, limit: int, wait: timedelta) -> Sequence[StreamEntry]:
        """Entries nobody of the group has had yet; waits for some at most that long.

        Raises:
            StreamsUnavailable: Redis does not answer.
        """

    async def reclaim(self, limit: int, idle: timedelta) -> Sequence[StreamEntry]:
        """Entries that were given to a consumer of the group and not acknowledged for that long."""

    async def acknowledge(self, entries: Collection[StreamEntry]) -> None: ...


class DueAttempts(Protocol):
    async def tenants(self, subscriber: str) -> Sequence[UUID]:
        """The tenants with events set aside that are due."""
