"""What the notification context needs from the outside world."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, Self
from uuid import UUID

from qs.application.kernel.subscriptions import SubscribingUnitOfWork
from qs.application.notification.alert_ports import AlertBook
from qs.application.notification.grant_ports import GrantBook
from qs.application.notification.report_ports import ReceiptBook
from qs.application.notification.template_ports import TextBook
from qs.domain.kernel.errors import Absent
from qs.domain.notification.addressing import Addressee, Audience, Contact, Intent
from qs.domain.notification.deciding import Standing
from qs.domain.notification.delivery import Attempt, Delivery, DeliveryStatus, Outcome, Place
from qs.domain.notification.reminding import ReminderRule


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

    async def reminders(
        self, tenant_id: UUID, plan_ids: Collection[UUID]
    ) -> Mapping[UUID, Sequence[ReminderRule]]:
        """When each plan wants its testees reminded; without an entry, never."""


class StaffDirectory(Protocol):
    async def contacts(self, tenant_id: UUID) -> Sequence[Contact]:
        """The tenant's staff contacts in their order; none where none were given."""


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """An intent that follows from an event; ``event_id`` and ``occasion`` tell it from any other to the same address.

    ``not_before`` is business time; None is at once.
    """

    event_id: UUID
    event_name: str
    task_id: UUID | None
    testee_id: UUID | None
    plan_id: UUID | None
    intent: Intent
    data: Mapping[str, str]
    occasion: str = ""
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    task_id: UUID | None = None
    status: DeliveryStatus | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class DeadRange:
    """Dead deliveries that were made from ``since`` until before ``until``, in real time."""

    since: datetime | None
    until: datetime | None
    channel: str | None


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a claim ended; without an ``outcome`` no attempt is recorded.

    ``template_version`` is that of the tenant's own text, 0 for the built-in one.
    """

    delivery: Delivery
    status: DeliveryStatus
    reason: str | None
    retry_in: timedelta | None = None
    outcome: Outcome | None = None
    answer: str | None = None
    template_version: int | None = None


class DeliveryLedger(Protocol):
    """The deliveries of one tenant, in the running transaction."""

    async def add(self, deliveries: Sequence[NewDelivery]) -> int:
        """Adds those that are not there yet; returns how many."""

    async def due(self, channel: str, limit: int, *, digest: bool) -> Sequence[Sequence[Delivery]]:
        """Locks what is due until the transaction ends, in groups that go out as one message each.

        An attempt that was interrupted is recorded as unknown. With ``digest`` openings for one address are one group.
        """

    async def begin(
        self, deliveries: Mapping[UUID, UUID | None], lease: timedelta
    ) -> Mapping[UUID, Delivery]:
        """Makes locked ones ours until the lease ends, counting an attempt; each with the id of its digest, if any."""

    async def traceparents(self, event_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """Those of the events that were recorded where traces are kept, and are kept themselves still."""

    async def hold(self, delivery: Delivery, until: datetime) -> None:
        """Puts a locked one off, not before ``until`` in business time; no attempt is counted."""

    async def close(self, delivery: Delivery, status: DeliveryStatus, reason: str) -> None:
        """Ends a locked one that is not sent."""

    async def close_waiting(self, task_ids: Collection[UUID], reason: str) -> int:
        """Skips everything with a link to one of these tasks that waits to be sent; returns how much that was."""

    async def told_since(
        self, channel: str, since: Mapping[Place, datetime], *, beside: Collection[UUID]
    ) -> Mapping[Place, int]:
        """How many messages arrived in each place over the channel since then, or are on their way, ``beside`` those."""

    async def release(self, delivery: Delivery, retry_in: timedelta) -> None:
        """Gives a claim back as if it had not been taken: the attempt does not count."""

    async def settle(self, settlements: Sequence["Settlement"]) -> Collection[UUID]:
        """Ends the claims and records the attempts; the ids of those that were ours still.

        Of one whose lease ran out nothing changes, but the attempt is recorded where nobody else did.
        """

    async def get(self, delivery_id: UUID) -> Delivery | None: ...

    async def attempts_of(self, delivery_id: UUID) -> Sequence[Attempt]: ...

    async def list(self, which: DeliveryFilter, before: UUID | None, limit: int) -> Sequence[Delivery]:
        """The newest first; ``before`` is the id to go on from."""

    async def revive(self, delivery_id: UUID) -> bool:
        """Queues a dead delivery anew with all its attempts; False when it is not dead."""

    async def revive_range(self, which: DeadRange, limit: int) -> int:
        """Queues dead deliveries anew, the oldest first; returns how many."""


class NotificationUnitOfWork(SubscribingUnitOfWork, Protocol):
    deliveries: DeliveryLedger
    grants: GrantBook
    alerts: AlertBook
    receipts: ReceiptBook


class NotificationUnitOfWorkFactory(Protocol):
    def __call__(self, tenant_id: UUID) -> NotificationUnitOfWork: ...


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A task that can be answered now. ``url`` is a credential: it is handed on at once and kept nowhere."""

    url: str
    expires_at: datetime
    paused: bool

    @property
    def standing(self) -> Standing:
        return Standing(self.expires_at, self.paused)


class Present(Protocol):
    """What other contexts say of people and tasks, read in the transaction that decides about sending."""

    async def addressees(self, testee_ids: Collection[UUID], *, alone: bool) -> Mapping[UUID, Addressee]:
        """Those who exist and were not erased; nobody changes them before the transaction ends.

        With ``alone`` nobody else decides about messages to them either.
        """

    async def tasks(self, task_ids: Collection[UUID]) -> Mapping[UUID, OpenTask]:
        """Those that are open."""

    async def staff(self) -> Sequence[Contact]:
        """The tenant's staff contacts in their order."""


class SendingUnitOfWork(NotificationUnitOfWork, Protocol):
    present: Present
    texts: TextBook


class SendingUnitOfWorkFactory(Protocol):
    def __call__(self, tenant_id: UUID) -> SendingUnitOfWork: ...


class DueDeliveries(Protocol):
    async def tenants(self, channel: str) -> Sequence[UUID]:
        """The tenants with deliveries due on that channel."""


@dataclass(frozen=True, slots=True)
class MessageLink:
    """One of several links of a message."""

    task_id: UUID
    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """What goes out. ``notification_id`` is the same at every attempt, so that a receiver can tell repeats.

    ``address`` is None for channels that need none. ``timezone`` is the one its times are shown in.
    ``unsubscribe_url`` is where its receiver stops such messages; it is theirs alone. ``links`` are all of a digest,
    the one that ends first at the front, which is ``link`` as well. ``template_version`` is 0 for a built-in text.
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
    tenant_id: UUID | None = None
    timezone: str = "UTC"
    unsubscribe_url: str | None = None
    links: tuple[MessageLink, ...] = ()
    template_version: int = 0


class Accepted(str):
    """A receiver's answer, with the id under which it will say later what became of the message, if it named one."""

    provider_id: str | None

    def __new__(cls, answer: str, provider_id: str | None = None) -> Self:
        accepted = super().__new__(cls, answer)
        accepted.provider_id = provider_id
        return accepted


class ChannelFailure(Exception):
    """A message did not go out. Retrying reads nothing but ``permanent`` and ``retry_after``.

    ``answer`` is kept in the ledger and must hold no address, link or secret. ``reason`` is the ledger's word for a
    permanent one that is more than that, such as ``no_grant``.
    """

    def __init__(
        self,
        answer: str,
        *,
        permanent: bool,
        retry_after: timedelta | None = None,
        reason: str = "permanent_failure",
    ) -> None:
        super().__init__(answer)
        self.answer = answer
        self.permanent = permanent
        self.retry_after = retry_after
        self.reason = reason


class Channel(Protocol):
    """A way to send messages; it may send one twice after a crash, under the same ``notification_id``."""

    name: str
    needs_address: bool

    async def send(self, message: Message) -> str:
        """Hands the message over; returns the receiver's answer, without addresses.

        Raises:
            ChannelFailure: it was not accepted, or nobody knows.
        """
