"""A pause between executions: the next slot is so long after the last one ended."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from qs.domain.kernel.durations import duration_text
from qs.domain.scheduler.calendars import Calendar
from qs.domain.scheduler.triggers.duration import LONGEST, holiday_at, read_length
from qs.domain.scheduler.triggers.phrases import Phrases
from qs.domain.scheduler.triggers.spec import TriggerKind
from qs.domain.scheduler.triggers.stretches import LAST_INSTANT, in_utc, instant_of
from qs.domain.scheduler.triggers.trigger import Dst, Reading

_LAST = instant_of(LAST_INSTANT) - LONGEST


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedDelayTrigger:
    """``delay`` after the end that is handed in; on a holiday, when that is over."""

    delay: timedelta
    timezone: str | None
    calendar: Calendar | None

    @property
    def kind(self) -> TriggerKind:
        return TriggerKind.FIXED_DELAY

    @property
    def schedule(self) -> str:
        return duration_text(self.delay)

    @property
    def depends_on_end(self) -> bool:
        return True

    @property
    def warnings(self) -> tuple[str, ...]:
        return ()

    def next_after(self, after: datetime) -> datetime | None:
        if after >= _LAST:
            return None
        slot = in_utc(after) + self.delay
        while (holiday := holiday_at(slot, self.calendar, self.timezone)) is not None:
            slot = holiday[1]
        return slot

    def latest(self, at: datetime) -> datetime | None:
        return None

    def dst(self, slot: datetime) -> Dst | None:
        return None

    def without_calendar(self) -> "FixedDelayTrigger":
        return replace(self, calendar=None)

    def words(self, phrases: Phrases) -> str:
        told = phrases.after_end(self.delay)
        return phrases.resting(told, self.calendar.name) if self.calendar else told


def read(reading: Reading) -> FixedDelayTrigger:
    """The trigger of a delay. Raises TriggerInvalid."""
    return FixedDelayTrigger(
        delay=read_length(reading.spec.schedule),
        timezone=reading.timezone if reading.calendar else reading.spec.timezone,
        calendar=reading.calendar,
    )
