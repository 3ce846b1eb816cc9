"""One event for one endpoint, from the intent to its end."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

TEST_EVENT = "qs.webhook.test"
"""The type and the name of the event that tries an endpoint out."""


class DeliveryStatus(StrEnum):
    """queued → sending → sent or dead; a failure leads back to queued. ``skipped``: its endpoint is disabled."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DEAD = "dead"
    SKIPPED = "skipped"


SETTLED = frozenset({DeliveryStatus.SENT, DeliveryStatus.DEAD, DeliveryStatus.SKIPPED})


class Outcome(StrEnum):
    """How one attempt ended. ``unknown`` means that whoever was sending never said."""

    SENT = "sent"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of the ledger.

    ``attempts`` counts those since the last replay, ``epoch`` all of them: it numbers attempts and fences off senders
    whose lease ran out. ``queued_at`` is when it was queued, or replayed last. All instants are real time.
    """

    id: UUID
    endpoint_id: UUID
    event_id: UUID
    event_name: str
    status: DeliveryStatus
    reason: str | None
    attempts: int
    epoch: int
    next_attempt_at: datetime
    queued_at: datetime
    created_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a delivery; ``answer`` is what the receiver said, without its address."""

    number: int
    at: datetime
    outcome: Outcome
    answer: str | None
    duration_ms: int | None
