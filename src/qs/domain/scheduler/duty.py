"""Duties: the recurring acts of qs itself, and the slots at which each of them is due."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import ClassVar, Protocol
from uuid import UUID, uuid5

from qs.domain.kernel.zones import civil_date, resolve_wall_time, zone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_DUTIES = UUID("8f6c3f0e-6d1b-5f0a-9c57-2b1d4c1a7e10")


class Timing(Protocol):
    """A grid of slots that depends on nothing but the instant asked about, so that a restart never moves it."""

    @property
    def kind(self) -> str:
        """The word users write for it: ``duration`` or ``daily``."""
        ...

    @property
    def schedule(self) -> str:
        """How users write it, e.g. ``1m`` or ``03:30``."""
        ...

    @property
    def timezone(self) -> str | None: ...

    def latest_slot(self, now: datetime) -> datetime:
        """The newest slot at or before ``now`` (aware UTC)."""
        ...

    def next_slot(self, after: datetime) -> datetime:
        """The first slot later than ``after`` (aware UTC)."""
        ...


@dataclass(frozen=True, slots=True)
class Every:
    """Each ``period`` of elapsed time, counted from the Unix epoch. Raises ValueError under one second."""

    period: timedelta

    kind: ClassVar[str] = "duration"
    timezone: ClassVar[None] = None

    def __post_init__(self) -> None:
        if self.period < timedelta(seconds=1):
            raise ValueError(f"a duty every {self.period} would never rest; give it a second or more")

    @property
    def schedule(self) -> str:
        for unit, length in (("h", timedelta(hours=1)), ("m", timedelta(minutes=1))):
            if not self.period % length:
                return f"{self.period // length}{unit}"
        return f"{self.period.total_seconds():g}s"

    def latest_slot(self, now: datetime) -> datetime:
        return _EPOCH + (now - _EPOCH) // self.period * self.period

    def next_slot(self, after: datetime) -> datetime:
        return self.latest_slot(after) + self.period


@dataclass(frozen=True, slots=True)
class DailyAt:
    """Once on each civil date of the zone, at that wall time.

    In a gap it moves to the first instant after it; of a wall time that comes twice only the first counts; a
    date that does not exist in the zone has no slot. Raises UnknownZone for a zone that is not.
    """

    at: time
    timezone: str

    kind: ClassVar[str] = "daily"

    def __post_init__(self) -> None:
        zone(self.timezone)

    @property
    def schedule(self) -> str:
        return self.at.isoformat("minutes" if not self.at.second else "seconds")

    def latest_slot(self, now: datetime) -> datetime:
        tz = zone(self.timezone)
        # Clocks set back over midnight show the old date again after the new one's first slots have passed.
        day = civil_date(now, tz) + _DAY
        while (slot := resolve_wall_time(day, self.at, tz)) is None or slot.instant > now:
            day -= _DAY
        return slot.instant

    def next_slot(self, after: datetime) -> datetime:
        tz = zone(self.timezone)
        day = civil_date(after, tz) - _DAY
        while (slot := resolve_wall_time(day, self.at, tz)) is None or slot.instant <= after:
            day += _DAY
        return slot.instant


@dataclass(frozen=True, slots=True)
class HourlyAt:
    """Once an hour, when the clocks of the zone show that minute. Raises UnknownZone, ValueError."""

    minute: int
    timezone: str

    kind: ClassVar[str] = "cron"

    def __post_init__(self) -> None:
        zone(self.timezone)
        if not 0 <= self.minute <= 59:
            raise ValueError(f"an hour has no minute {self.minute}; give one from 0 to 59")

    @property
    def schedule(self) -> str:
        return f"{self.minute} * * * *"

    def latest_slot(self, now: datetime) -> datetime:
        offset = now.astimezone(zone(self.timezone)).utcoffset()
        assert offset is not None
        shift = timedelta(minutes=self.minute) - offset
        return _EPOCH + (now - _EPOCH - shift) // _HOUR * _HOUR + shift

    def next_slot(self, after: datetime) -> datetime:
        return self.latest_slot(after) + _HOUR


@dataclass(frozen=True, slots=True)
class Duty:
    """A named act and when it is due."""

    name: str
    timing: Timing

    @property
    def id(self) -> UUID:
        """The same for a name in every installation and at every start."""
        return uuid5(_DUTIES, self.name)

    def latest_slot(self, now: datetime) -> datetime:
        return self.timing.latest_slot(now)

    def next_slot(self, after: datetime) -> datetime:
        return self.timing.next_slot(after)


def standing_duties(sweep_every: timedelta, timezone: str) -> tuple[Duty, ...]:
    """The duties of every installation; daily ones follow the wall clock of ``timezone``."""
    return (
        Duty("sweep", Every(sweep_every)),
        Duty("expiry", DailyAt(time(0, 30), timezone)),
        Duty("sync-daily", HourlyAt(0, timezone)),
        Duty("sync-accumulated", HourlyAt(5, timezone)),
        Duty("sync-plan", HourlyAt(10, timezone)),
        Duty("validate", HourlyAt(15, timezone)),
        Duty("retention", DailyAt(time(3, 30), timezone)),
    )


# The names depend on neither.
DUTY_NAMES = frozenset(duty.name for duty in standing_duties(timedelta(minutes=1), "UTC"))
"""What no job may be called: duties and jobs stand in the same lists, and are asked for by name."""


def taken_by_duty(name: str) -> str | None:
    """Why a job cannot have that name, and what to do; None where it can."""
    if name not in DUTY_NAMES:
        return None
    return f"must not be the name of a duty of qs, which stands in the same lists; choose another, such as my-{name}"
