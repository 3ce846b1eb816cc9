"""How far behind publication and each subscriber are, for those who watch the installation."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SubscriberBacklog:
    subscriber: str
    unacknowledged: int
    dead: int


@dataclass(frozen=True, slots=True)
class EventBacklog:
    """Events not in the streams yet with the age of the oldest, and what each subscriber has not acted on."""

    unpublished: int
    oldest_s: float
    subscribers: tuple[SubscriberBacklog, ...]

    @property
    def unacknowledged(self) -> int:
        return sum(each.unacknowledged for each in self.subscribers)


class EventBacklogs(Protocol):
    async def measure(self) -> EventBacklog: ...
