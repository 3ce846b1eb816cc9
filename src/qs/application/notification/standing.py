"""How the messages of a tenant stand at a moment."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

COUNTED_TO = 10_000
"""Larger numbers are told as this one, so that looking costs the same however much there is."""


@dataclass(frozen=True, slots=True)
class MessageStanding:
    """``waiting`` messages are neither sent nor given up, ``dead`` ones were given up until somebody replays them."""

    waiting: int
    dead: int


class MessageStandings(Protocol):
    async def of(self, tenant_id: UUID) -> MessageStanding:
        """Each number up to ``COUNTED_TO``."""
        ...
