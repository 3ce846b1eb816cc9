"""What the webhook context needs from the outside world."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from qs.application.kernel.subscriptions import SubscribingUnitOfWork
from qs.domain.webhook.delivery import Attempt, Delivery, DeliveryStatus, Outcome
from qs.domain.webhook.endpoint import DisabledReason, Endpoint, Secrets
from qs.domain.webhook.retrying import Health


@dataclass(frozen=True, slots=True)
class Locked:
    """An endpoint whose row nobody else changes until the transaction ends; ``now`` is real time."""

    endpoint: Endpoint
    now: datetime


class EndpointRepository(Protocol):
    """The endpoints of one tenant, in the running transaction."""

    async def all(self) -> Sequence[Endpoint]:
        """The oldest first."""

    async def get(self, endpoint_id: UUID) -> Endpoint | None: ...

    async def lock(self, endpoint_id: UUID) -> Locked | None: ...

    async def count_locked(self) -> int:
        """How many there are; whoever else asks waits until this transaction is over."""

    async def add(
        self, endpoint_id: UUID, name: str, url: str, events: Sequence[str], secrets: Secrets
    ) -> Endpoint: ...

    async def change(
        self,
        endpoint_id: UUID,
        *,
        name: str,
        url: str,
        events: Sequence[str],
        disabled: DisabledReason | None,
        health: Health,
    ) -> Endpoint:
        """Writes these and counts a version."""

    async def fared(self, endpoint_id: UUID, health: Health) -> None:
        """Writes its health; a version is counted where trouble begins or ends."""

    async def secrets(self, endpoint_id: UUID) -> Secrets:
        """Raises WebhookSecretsUnreadable."""

    async def set_secrets(self, endpoint_id: UUID, secrets: Secrets, previous_until: datetime) -> Endpoint:
        """Writes them and counts a version."""

    async def remove(self, endpoint_id: UUID) -> None:
        """Its deliveries are nobody's then, and forgotten by their age."""


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """An intent that follows from an event. Skipped from the start where the endpoint is disabled."""

    endpoint_id: UUID
    event_id: UUID
    event_name: str
    skipped: bool


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that is ours to send until its lease ends. ``waited`` is how long ago it was queued."""

    id: UUID
    event_id: UUID
    attempts: int
    epoch: int
    waited: timedelta
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """What of one endpoint is due, and how to call it."""

    tenant_id: UUID
    endpoint_id: UUID
    url: str
    secrets: Sequence[str]
    health: Health
    deliveries: Sequence[Due]


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an attempt ended; ``retry_in`` goes with queued. ``outcome`` None gives back what was not tried."""

    due: Due
    status: DeliveryStatus
    reason: str | None
    retry_in: timedelta | None
    outcome: Outcome | None
    answer: str | None = None
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """``until`` is exclusive. Instants are those at which the deliveries were made."""

    status: DeliveryStatus | None = None
    since: datetime | None = None
    until: datetime | None = None


class DeliveryLedger(Protocol):
    """The deliveries of one tenant, in the running transaction."""

    async def add(self, deliveries: Sequence[NewDelivery], bodies: Mapping[UUID, str]) -> int:
        """Adds those that are not there yet and whose event is no older than its endpoint; returns how many.

        ``bodies`` are what goes out, by event.
        """

    async def add_test(
        self, endpoint_id: UUID, delivery_id: UUID, event_id: UUID, body: str, lease: timedelta
    ) -> Due:
        """A delivery that is ours to send from the start."""

    async def claim(self, endpoint_id: UUID, limit: int, lease: timedelta) -> Claim | None:
        """Takes what is due, counting an attempt; an interrupted attempt before it is recorded as unknown.

        None where nothing is due, the endpoint is disabled or spared, or somebody else is claiming of it. Of one that is
        broken it is one delivery, and none while another is being sent.
        """

    async def settle(self, endpoint_id: UUID, settlements: Sequence[Settlement]) -> int:
        """Ends the claims; returns how many were still ours. Attempts are recorded in any case."""

    async def hasten(self, endpoint_id: UUID) -> None:
        """What waits to be tried again is due now."""

    async def skip_waiting(self, endpoint_id: UUID) -> int:
        """What is queued is skipped; returns how many."""

    async def list(
        self, endpoint_id: UUID, which: DeliveryFilter, before: UUID | None, limit: int
    ) -> Sequence[Delivery]:
        """The newest first; ``before`` is the id to go on from."""

    async def attempts_of(self, delivery_ids: Collection[UUID]) -> Mapping[UUID, Sequence[Attempt]]: ...

    async def revive(
        self,
        endpoint_id: UUID,
        *,
        delivery_ids: Collection[UUID] | None,
        statuses: Collection[DeliveryStatus],
        since: datetime | None,
        until: datetime | None,
        limit: int,
    ) -> int:
        """Queues settled deliveries anew, the oldest first, with all their attempts; returns how many."""


class WebhookUnitOfWork(SubscribingUnitOfWork, Protocol):
    @property
    def endpoints(self) -> EndpointRepository: ...

    @property
    def deliveries(self) -> DeliveryLedger: ...


class WebhookUnitOfWorkFactory(Protocol):
    def __call__(self, tenant_id: UUID) -> WebhookUnitOfWork: ...


class DueEndpoints(Protocol):
    async def find(self) -> Sequence[tuple[UUID, UUID]]:
        """(tenant, endpoint) of those that something is due for and that may be called now."""


class Refusal(Exception):
    """A receiver did not accept, or nobody knows. ``answer`` holds no address and no secret.

    ``status`` is that of its HTTP answer, None where there was none.
    """

    def __init__(
        self, answer: str, *, status: int | None = None, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(answer)
        self.answer = answer
        self.status = status
        self.retry_after = retry_after

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants nothing any more (410)."""
        return self.status == 410


class Receiver(Protocol):
    async def post(self, url: str, secrets: Sequence[str], event_id: UUID, body: bytes) -> int:
        """The HTTP status with which the receiver accepted it.

        Raises:
            Refusal: it answered anything but 2xx, or not at all.
        """


class UrlCheck(Protocol):
    async def check(self, url: str) -> None:
        """Returns for a URL that qs would call. Raises WebhookUrlRefused."""


class OutcomeCounter(Protocol):
    def sent(self, outcome: str, count: int = 1) -> None:
        """Counts attempts; ``outcome`` is accepted, failed or dead."""
