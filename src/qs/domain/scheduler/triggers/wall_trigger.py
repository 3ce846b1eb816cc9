"""The trigger of every kind that follows a wall clock: cron, daily, weekly and monthly."""

from dataclasses import dataclass, replace
from datetime import datetime

from qs.domain.kernel.zones import zone
from qs.domain.scheduler.calendars import Calendar
from qs.domain.scheduler.triggers.days import Days
from qs.domain.scheduler.triggers.phrases import Phrases
from qs.domain.scheduler.triggers.spec import TriggerKind
from qs.domain.scheduler.triggers.stretches import instant_of, seconds_of
from qs.domain.scheduler.triggers.times import Times
from qs.domain.scheduler.triggers.trigger import Dst
from qs.domain.scheduler.triggers.wall import Clock, OnceEach, WallTimes, WheneverShown


@dataclass(frozen=True, slots=True, kw_only=True)
class WallTrigger:
    """The times of ``times`` on the dates of ``days``, by the clocks of a zone; made by ``of``."""

    kind: TriggerKind
    schedule: str
    timezone: str
    wall_times: WallTimes
    clock: Clock
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        kind: TriggerKind,
        schedule: str,
        timezone: str,
        days: Days,
        times: Times,
        *,
        whenever_shown: bool = False,
        warnings: tuple[str, ...] = (),
    ) -> "WallTrigger":
        """A trigger with one slot per wall time or, on request, one whenever the clocks show it."""
        wall_times = WallTimes(days, times)
        clock = (WheneverShown if whenever_shown else OnceEach)(wall_times, zone(timezone))
        return cls(
            kind=kind,
            schedule=schedule,
            timezone=timezone,
            wall_times=wall_times,
            clock=clock,
            warnings=warnings,
        )

    @property
    def calendar(self) -> Calendar | None:
        return self.wall_times.days.calendar

    @property
    def depends_on_end(self) -> bool:
        return False

    def next_after(self, after: datetime) -> datetime | None:
        slot = self.clock.first_from(seconds_of(after) + 1)
        return None if slot is None else instant_of(slot)

    def latest(self, at: datetime) -> datetime | None:
        slot = self.clock.last_to(seconds_of(at))
        return None if slot is None else instant_of(slot)

    def dst(self, slot: datetime) -> Dst | None:
        return self.clock.dst(seconds_of(slot))

    def without_calendar(self) -> "WallTrigger":
        unmarked = replace(self.wall_times, days=replace(self.wall_times.days, calendar=None))
        return replace(self, wall_times=unmarked, clock=self.clock.of(unmarked))

    def words(self, phrases: Phrases) -> str:
        return phrases.recurring(self.wall_times.days, self.wall_times.times, self.timezone)
