"""Where a tenant's events are posted."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from qs.domain.webhook.filters import lets_through
from qs.domain.webhook.retrying import Health


class DisabledReason(StrEnum):
    """``manual``: somebody did; ``gone``: it answered 410; ``failing``: it did nothing but fail for days."""

    MANUAL = "manual"
    GONE = "gone"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address with its filters; the secrets it is signed with are kept apart.

    ``previous_secret_until`` is when the secret before the last rotation stops signing. ``version`` counts what its
    editors see: their changes, and the beginning and the end of trouble.
    """

    id: UUID
    tenant_id: UUID
    name: str
    url: str
    events: Collection[str]
    enabled: bool
    disabled_reason: DisabledReason | None
    disabled_at: datetime | None
    previous_secret_until: datetime | None
    health: Health
    version: int
    created_at: datetime

    def wants(self, context: str, name: str) -> bool:
        return lets_through(self.events, context, name)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What an endpoint's deliveries are signed with; the previous one signs too until ``previous_until``."""

    current: str
    previous: str | None = None

    def signing(self, previous_until: datetime | None, now: datetime) -> tuple[str, ...]:
        if self.previous is None or previous_until is None or previous_until <= now:
            return (self.current,)
        return (self.current, self.previous)
