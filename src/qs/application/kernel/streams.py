"""What goes out of qs over Redis Streams, and the ports to them."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from qs.application.kernel.cloud_events import CloudEvent, PublishedEvent, cloud_event
from qs.application.kernel.entry_links import EntryLinks
from qs.domain.kernel.errors import QsError, Unavailable

_LINKS_AT_ONCE = 10
_MOST_WITH_LINKS = 100


class StreamsUnavailable(Unavailable):
    code = "events.streams_unavailable"
    sentence = "Redis does not answer, so nothing can be published now; events stay recorded and follow when it is back"


class Envelope(NamedTuple):
    """An event addressed to the stream of its context."""

    context: str
    name: str
    event: CloudEvent


class EventStreams(Protocol):
    """Where events go out. What was published may be lost there, and is then published again."""

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Appends the events to their streams, in order.

        Raises:
            StreamsUnavailable: some or all of them were not appended.
        """

    async def intact(self) -> bool:
        """False when the server was restarted or emptied since ``vouch``, so that anything may be missing.

        Raises:
            StreamsUnavailable: it does not answer.
        """

    async def vouch(self) -> None:
        """Says that everything that was missing when ``intact`` was asked has been published again.

        Raises:
            StreamsUnavailable: it does not answer.
        """


class Envelopes:
    """Makes envelopes; with ``links`` a TaskOpened carries the link as it is at this moment."""

    def __init__(self, links: EntryLinks | None = None) -> None:
        self._links = links

    def within(self, batch: int) -> int:
        """How many of a batch may be sealed in a transaction, which stands idle while links are read."""
        return batch if self._links is None else min(batch, _MOST_WITH_LINKS)

    async def seal(self, events: Iterable[PublishedEvent]) -> list[Envelope]:
        """The envelopes in the order of the events; several links are read at once."""
        if self._links is None:
            return [Envelope(event.context, event.name, cloud_event(event)) for event in events]
        waiting, sealed = list(events), list[Envelope]()
        for start in range(0, len(waiting), _LINKS_AT_ONCE):
            some = waiting[start : start + _LINKS_AT_ONCE]
            found = await asyncio.gather(
                *(self._cloud_event(event) for event in some), return_exceptions=True
            )
            for event, outcome in zip(some, found, strict=True):
                if isinstance(outcome, BaseException):
                    raise outcome
                sealed.append(Envelope(event.context, event.name, outcome))
        return sealed

    async def _cloud_event(self, event: PublishedEvent) -> CloudEvent:
        if self._links is None or event.name != "TaskOpened":
            return cloud_event(event)
        try:
            link = await self._links.show(event.tenant_id, event.facts(_OpenedTask).task_id)
        except QsError:
            # The link is a convenience; the event must not wait for it.
            link = None
        return cloud_event(event, entry_url=link.url if link else None)


class _OpenedTask(msgspec.Struct):
    task_id: UUID
