"""What the notification context needs from the outside world."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from qs.application.kernel.subscriptions import SubscribingUnitOfWork
from qs.domain.kernel.errors import Absent
from qs.domain.notification.addressing import Addressee, Audience, Contact, Intent
from qs.domain.notification.delivery import Attempt, Delivery, DeliveryStatus, Outcome


class DeliveryAbsent(Absent):
    code = "notification.absent"
    sentence = "there is no notification of that id here; check the id"


class TesteeDirectory(Protocol):
    """How testees are reached, read from the plan context."""

    async def find(self, tenant_id: UUID, testee_ids: Collection[UUID]) -> Mapping[UUID, Addressee]:
        """Those who exist and were not erased."""


class PlanPreferences(Protocol):
    async def on_expiry(self, tenant_id: UUID, plan_ids: Collection[UUID]) -> Mapping[UUID, Audience]:
        """Whom each plan wants told about expired tasks."""


class StaffDirectory(Protocol):
    async def contacts(self, tenant_id: UUID) -> Sequence[Contact]:
        """The tenant's staff contacts in their order; none where none were given."""


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """An intent that follows from an event."""

    event_id: UUID
    event_name: str
    task_id: UUID
    testee_id: UUID
    plan_id: UUID
    intent: Intent
    data: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that is ours to send until the lease ends.

    ``interrupted`` says that somebody had it before and never told how that ended.
    """

    delivery: Delivery
    interrupted: bool


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    task_id: UUID | None = None
    status: DeliveryStatus | None = None
    channel: str | None = None


class DeliveryLedger(Protocol):
    """The deliveries of one tenant, in the running transaction."""

    async def add(self, deliveries: Sequence[NewDelivery]) -> int:
        """Adds those that are not there yet; returns how many."""

    async def claim(self, channel: str, limit: int, lease: timedelta) -> Sequence[Claim]:
        """Takes what is due, counting an attempt; an interrupted attempt before it is recorded as unknown."""

    async def settle(
        self,
        delivery: Delivery,
        status: DeliveryStatus,
        reason: str | None,
        retry_in: timedelta | None = None,
    ) -> bool:
        """Ends the claim; False, and nothing changed, when the lease ran out and somebody else has it."""

    async def record_attempt(self, delivery: Delivery, outcome: Outcome, answer: str | None) -> None: ...

    async def get(self, delivery_id: UUID) -> Delivery | None: ...

    async def attempts_of(self, delivery_id: UUID) -> Sequence[Attempt]: ...

    async def list(self, which: DeliveryFilter, before: UUID | None, limit: int) -> Sequence[Delivery]:
        """The newest first; ``before`` is the id to go on from."""

    async def revive(self, delivery_id: UUID) -> bool:
        """Queues a dead delivery anew with all its attempts; False when it is not dead."""


class NotificationUnitOfWork(SubscribingUnitOfWork, Protocol):
    deliveries: DeliveryLedger


class NotificationUnitOfWorkFactory(Protocol):
    def __call__(self, tenant_id: UUID) -> NotificationUnitOfWork: ...


class DueDeliveries(Protocol):
    async def tenants(self, channel: str) -> Sequence[UUID]:
        """The tenants with deliveries due on that channel."""


@dataclass(frozen=True, slots=True)
class Message:
    """What goes out. ``notification_id`` is the same at every attempt, so that a receiver can tell repeats.

    ``address`` is None for channels that need none.
    """

    notification_id: UUID
    event_id: UUID
    task_id: UUID | None
    recipient: str
    address: str | None
    template: str
    locale: str
    subject: str
    text: str
    link: str | None
    expires_at: datetime | None


class ChannelFailure(Exception):
    """A message did not go out. Retrying reads nothing but ``permanent`` and ``retry_after``.

    ``answer`` is kept in the ledger and must hold no address, link or secret.
    """

    def __init__(self, answer: str, *, permanent: bool, retry_after: timedelta | None = None) -> None:
        super().__init__(answer)
        self.answer = answer
        self.permanent = permanent
        self.retry_after = retry_after


class Channel(Protocol):
    """A way to send messages; it may send one twice after a crash, under the same ``notification_id``."""

    name: str
    needs_address: bool

    async def send(self, message: Message) -> str:
        """Hands the message over; returns the receiver's answer, without addresses.

        Raises:
            ChannelFailure: it was not accepted, or nobody knows.
        """
