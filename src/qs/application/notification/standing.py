"""How the messages of a tenant stand at a moment."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class MessageStanding:
    """``waiting`` messages are neither sent nor given up, ``dead`` ones were given up until somebody replays them."""

    waiting: int
    dead: int


class MessageStandings(Protocol):
    async def of(self, tenant_id: UUID) -> MessageStanding:
        """Each number up to ``COUNTED_TO``."""
        ...
