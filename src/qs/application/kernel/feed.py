"""Reading events from the truth, and publishing them again for those who ask."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from qs.application.kernel import crash
from qs.application.kernel.cloud_events import PublishedEvent
from qs.application.kernel.streams import Envelopes, EventStreams
from qs.application.kernel.unit_of_work import UnitOfWork

MOST_PER_REPLAY = 10_000


@dataclass(frozen=True, slots=True)
class Page:
    """Events of one tenant, oldest first. Reading on after ``next_after`` misses nothing, also when this is empty."""

    events: Sequence[PublishedEvent]
    next_after: int


class EventLog(Protocol):
    """The outbox of one tenant, in the running transaction."""

    async def read(self, after: int, limit: int, context: str | None) -> Page: ...

    async def newest(self, count: int, context: str | None) -> Page: ...

    async def replayable(
        self, *, after: int | None, before: int | None, event_ids: Sequence[UUID] | None, limit: int
    ) -> Sequence[PublishedEvent]:
        """Published events between two positions, both exclusive, or of these ids."""

    async def published_again(self, event_ids: Sequence[UUID]) -> None: ...

    async def revive(self, subscriber: str, event_ids: Sequence[UUID] | None) -> int:
        """Sets dead letters aside again with no attempts spent; returns how many."""


class EventLogUnitOfWork(UnitOfWork, Protocol):
    log: EventLog


class EventLogUnitOfWorkFactory(Protocol):
    def __call__(self, tenant_id: UUID) -> EventLogUnitOfWork: ...


class EventFeed:
    """What happened in a tenant, resumable by position."""

    def __init__(self, unit_of_work: EventLogUnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    async def read(
        self, tenant_id: UUID, after: int = 0, limit: int = 100, context: str | None = None
    ) -> Page:
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.log.read(after, limit, context)

    async def newest(self, tenant_id: UUID, count: int, context: str | None = None) -> Page:
        """The last ``count`` events, oldest of them first."""
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.log.newest(count, context)


@dataclass(frozen=True, slots=True)
class Replayed:
    """``next_after`` is where to go on when there were more events than one replay takes, else None."""

    published: int
    revived: int
    next_after: int | None


class EventReplay:
    """Publishes a tenant's events again under their ids; subscribers within qs that are done with them ignore it."""

    def __init__(
        self, unit_of_work: EventLogUnitOfWorkFactory, streams: EventStreams, envelopes: Envelopes
    ) -> None:
        self._unit_of_work = unit_of_work
        self._streams = streams
        self._envelopes = envelopes

    async def replay(
        self,
        tenant_id: UUID,
        *,
        actor: str,
        after: int | None = None,
        before: int | None = None,
        event_ids: Sequence[UUID] | None = None,
    ) -> Replayed:
        """Publishes events of these ids, or of the positions between ``after`` and ``before``, both exclusive.

        Raises:
            StreamsUnavailable: Redis is away; nothing was counted as published.
        """
        async with self._unit_of_work(tenant_id) as uow:
            events = await uow.log.replayable(
                after=after, before=before, event_ids=event_ids, limit=MOST_PER_REPLAY
            )
            envelopes = await self._envelopes.seal(events)
            await crash.hit("event.replay.before_publish")
            await self._streams.publish(envelopes)
            await crash.hit("event.replay.after_publish")
            await uow.log.published_again([event.id for event in events])
            detail = {"published": len(events), "after": after, "before": before}
            await uow.audit.add("events.replayed", "event", None, actor=actor, detail=detail)
            await uow.commit("event.replay")
        full = event_ids is None and len(events) == MOST_PER_REPLAY
        return Replayed(len(events), 0, events[-1].position if full else None)

    async def revive(
        self, tenant_id: UUID, subscriber: str, *, actor: str, event_ids: Sequence[UUID] | None = None
    ) -> Replayed:
        """Gives the subscriber's dead letters, or those of these ids, a new set of attempts. Needs no Redis."""
        async with self._unit_of_work(tenant_id) as uow:
            revived = await uow.log.revive(subscriber, event_ids)
            detail = {"revived": revived, "subscriber": subscriber}
            await uow.audit.add("events.replayed", "event", None, actor=actor, detail=detail)
            await uow.commit("event.revive")
        return Replayed(0, revived, None)
