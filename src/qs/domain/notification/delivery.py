"""One message to one recipient over one channel, from the intent to its end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class DeliveryStatus(StrEnum):
    """queued → sending → sent, skipped or dead; a temporary failure leads back to queued."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    SKIPPED = "skipped"
    DEAD = "dead"


class Outcome(StrEnum):
    """How one attempt ended. ``unknown`` means that whoever was sending never said."""

    SENT = "sent"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of the ledger. Its id is what receivers recognise a repeated message by.

    ``attempts`` counts those since the last replay, ``epoch`` all of them: it numbers attempts and fences off senders
    whose lease ran out. ``settled_at`` is business time: when it was sent, skipped or given up. ``data`` holds values
    for the text, never names, links or addresses.
    """

    id: UUID
    tenant_id: UUID
    event_id: UUID
    event_name: str
    task_id: UUID | None
    testee_id: UUID | None
    plan_id: UUID | None
    recipient: str
    channel: str
    address_index: int
    template: str
    locale: str
    data: Mapping[str, str]
    status: DeliveryStatus
    reason: str | None
    attempts: int
    epoch: int
    next_attempt_at: datetime
    created_at: datetime
    settled_at: datetime | None

    @property
    def needs_link(self) -> bool:
        """Whether it is about a task that has to be open still."""
        return self.event_name in ("TaskOpened", "EntryReissued")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a delivery; ``answer`` is what the receiver said, without addresses."""

    number: int
    at: datetime
    outcome: Outcome
    answer: str | None
