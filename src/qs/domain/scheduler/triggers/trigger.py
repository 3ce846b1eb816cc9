"""What a trigger is to those who fire jobs: a rule that gives slots, computed from nothing but its definition."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from qs.domain.kernel.zones import zone
from qs.domain.scheduler.calendars import Calendar
from qs.domain.scheduler.triggers.phrases import Phrases
from qs.domain.scheduler.triggers.spec import TriggerKind, TriggerSpec

Dst = Literal["shifted", "first"]
"""What a change of clocks did to a slot: moved it out of a gap, or chose the first of two equal wall times."""


class Trigger(Protocol):
    """The slots of a job, in strictly increasing order; every instant taken or given is an aware datetime.

    Nodes compute the same slots for the same definition, and no slot depends on when it is asked for. What is
    given is UTC. ``tests/unit/domain/triggers/test_conformance.py`` holds every kind to what is said here.
    """

    @property
    def kind(self) -> TriggerKind: ...

    @property
    def schedule(self) -> str:
        """The canonical text, which read again gives the same slots."""
        ...

    @property
    def timezone(self) -> str | None:
        """The zone whose clocks it follows or is shown in; None for elapsed time."""
        ...

    @property
    def calendar(self) -> Calendar | None:
        """The calendar that it follows."""
        ...

    @property
    def depends_on_end(self) -> bool:
        """True if ``next_after`` must be asked with the end of the last execution; then ``latest`` is None."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed and may not be meant, each as ``code: sentence``."""
        ...

    def next_after(self, after: datetime) -> datetime | None:
        """The first slot later than ``after``; None if there is never one again. Raises TypeError if naive."""
        ...

    def latest(self, at: datetime) -> datetime | None:
        """The newest slot at or before ``at``; None if there was none. Raises TypeError if naive."""
        ...

    def dst(self, slot: datetime) -> Dst | None:
        """What a change of clocks did to this slot of the trigger."""
        ...

    def without_calendar(self) -> "Trigger":
        """The same trigger, for which no day is marked."""
        ...

    def words(self, phrases: Phrases) -> str:
        """What it does, in the language of ``phrases``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that a kind makes its trigger of: what was written, and what was found for it.

    ``timezone`` is a zone there is, ``calendar`` the one the spec names, and ``anchor`` where a grid of elapsed
    time begins.
    """

    spec: TriggerSpec
    job_id: UUID
    timezone: str
    calendar: Calendar | None
    anchor: datetime

    @property
    def tz(self) -> ZoneInfo:
        return zone(self.timezone)
