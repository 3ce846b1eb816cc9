"""One message to one recipient over one channel, from the intent to its end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from qs.domain.notification.addressing import is_staff

Place = tuple[str, int]
"""Where messages arrive on one channel: a recipient, and the number of one of their addresses."""


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
    """A row of the ledger.

    ``attempts`` counts those since the last replay, ``epoch`` all of them: it numbers attempts and fences off senders
    whose lease ran out. ``settled_at`` is business time: when it was sent, skipped or given up. ``data`` holds values
    for the text, never names, links or addresses.

    ``occasion`` is empty for the event itself and names the reminder otherwise, such as ``after:2d``. It goes out no
    earlier than ``not_before``, in business time. ``digest_id`` is the id that it was sent under together with others.
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
    occasion: str = ""
    not_before: datetime | None = None
    digest_id: UUID | None = None

    @property
    def needs_link(self) -> bool:
        """Whether it is about a task that has to be open still."""
        return self.event_name in ("TaskOpened", "EntryReissued")

    @property
    def is_reminder(self) -> bool:
        return self.event_name == "TaskOpened" and self.occasion != ""

    @property
    def is_opening(self) -> bool:
        """Whether it is the first word of a task to the testee or a guardian."""
        return self.event_name == "TaskOpened" and not self.occasion and not is_staff(self.recipient)

    @property
    def place(self) -> Place:
        return self.recipient, self.address_index

    @property
    def message_id(self) -> UUID:
        """What receivers recognise a repeated message by."""
        return self.digest_id or self.id


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a delivery; ``answer`` is what the receiver said, without addresses.

    ``template_version`` is that of the tenant's own text, 0 for the built-in one, None where nothing was composed.
    """

    number: int
    at: datetime
    outcome: Outcome
    answer: str | None
    template_version: int | None = None
