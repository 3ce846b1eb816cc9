"""How the webhooks of all tenants stand: what ``/metrics`` tells of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class WebhookCondition:
    """``backlog`` are deliveries that wait or are being sent, ``oldest_s`` how long the oldest of them does.

    Of endpoints that are disabled nothing waits. ``endpoints`` counts them by how they are: well, failing, disabled.
    """

    backlog: int
    oldest_s: float
    dead: int
    endpoints: Mapping[str, int]


class WebhookConditions(Protocol):
    async def look(self) -> WebhookCondition: ...


class OutcomeCounts(Protocol):
    async def read(self) -> Mapping[str, int]:
        """Attempts so far, by outcome, of all processes."""
