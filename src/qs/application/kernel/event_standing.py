"""How far behind publication and the subscribers are with the events of one tenant."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class EventStanding:
    """Events not in the streams yet; what subscribers inside qs have not acted on; and what they gave up."""

    unpublished: int
    unacknowledged: int
    dead: int


class EventStandings(Protocol):
    async def of(self, tenant_id: UUID) -> EventStanding:
        """Each number up to ``COUNTED_TO``, of each subscriber."""
        ...
