"""What alerting staff needs from the outside world."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from qs.domain.notification.alerts import Alert, AlertKind, Trouble

Key = tuple[AlertKind, str]
"""A kind and a subject: one alert of a tenant."""


@dataclass(frozen=True, slots=True)
class AlertFilter:
    kind: AlertKind | None = None
    is_open: bool | None = None


@dataclass(frozen=True, slots=True)
class AlertPosition:
    """A place in the list of alerts, those met last first."""

    last_seen_at: datetime
    id: UUID


class AlertBook(Protocol):
    """The alerts of one tenant, in the running transaction."""

    async def lock(self) -> None:
        """Lets nobody else change the tenant's alerts until this transaction ends, which it has to do soon."""

    async def find(self, keys: Collection[Key], *, only_open: bool = False) -> Sequence[Alert]: ...

    async def save(self, alerts: Sequence[Alert]) -> None:
        """Writes alerts as they are now, new ones and old ones."""

    async def due(self, limit: int) -> Sequence[Alert]:
        """Those with something to tell that may be told now, the oldest trouble first."""

    async def told_at(self) -> Sequence[datetime]:
        """The instants of the tenant's messages, as far back as they are remembered."""

    async def remember(self, told_at: Sequence[datetime]) -> None: ...

    async def list(self, which: AlertFilter, after: AlertPosition | None, limit: int) -> Sequence[Alert]:
        """Those met last first, going on after a position."""


class DueAlerts(Protocol):
    async def tenants(self) -> Sequence[UUID]:
        """The tenants with something to be told."""


@dataclass(frozen=True, slots=True)
class Found:
    """Trouble that was found in a tenant."""

    tenant_id: UUID
    trouble: Trouble


class AlertSource(Protocol):
    """A place to look for trouble. What it does not find any more is over."""

    async def look(self) -> Sequence[Found]:
        """All there is at this moment, of every tenant."""


Standing = Mapping[tuple[UUID, AlertKind, str], str]
"""The open alerts of all tenants by tenant, kind and subject, each with its last cause."""


class AlertOverview(Protocol):
    def alone(self) -> AbstractAsyncContextManager[Standing | None]:
        """The open alerts of the kinds that are looked for; None while another process looks.

        Nobody else gets them before the block is left.
        """


@dataclass(frozen=True, slots=True)
class MissedRun:
    """How many occasions in a row an enrollment has missed up to now; 0 after a completed one.

    ``alert_after`` is how many of them the plan wants staff told of, None where it says nothing, 0 for never.
    """

    missed: int
    plan_id: UUID
    last_task_id: UUID | None
    alert_after: int | None


class MissedRuns(Protocol):
    """The course of enrollments, read from the plan context."""

    async def of(self, tenant_id: UUID, enrollment_ids: Collection[UUID]) -> Mapping[UUID, MissedRun]: ...
