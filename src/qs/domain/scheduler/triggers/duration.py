"""Elapsed time: a grid that begins at an anchor and never moves, whoever restarts whatever."""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from qs.domain.kernel.durations import duration_text, parse_duration
from qs.domain.kernel.zones import date_begun, end_of_date, start_of_date, zone
from qs.domain.scheduler.calendars import Calendar
from qs.domain.scheduler.triggers.phrases import Phrases
from qs.domain.scheduler.triggers.spec import TriggerInvalid, TriggerKind, quoted
from qs.domain.scheduler.triggers.stretches import FIRST_INSTANT, LAST_INSTANT, instant_of
from qs.domain.scheduler.triggers.trigger import Dst, Reading

SHORTEST, LONGEST = timedelta(seconds=1), timedelta(days=3650)

_MILLISECOND = timedelta(milliseconds=1)
_FIRST, _LAST = instant_of(FIRST_INSTANT) + LONGEST, instant_of(LAST_INSTANT) - LONGEST


@dataclass(frozen=True, slots=True, kw_only=True)
class DurationTrigger:
    """``anchor`` plus every whole multiple of ``every``, but those on holidays in ``timezone``."""

    every: timedelta
    anchor: datetime
    timezone: str | None
    calendar: Calendar | None

    @property
    def kind(self) -> TriggerKind:
        return TriggerKind.DURATION

    @property
    def schedule(self) -> str:
        return duration_text(self.every)

    @property
    def depends_on_end(self) -> bool:
        return False

    @property
    def warnings(self) -> tuple[str, ...]:
        return ()

    def next_after(self, after: datetime) -> datetime | None:
        if after >= _LAST:
            return None
        slot = self._at_or_before(max(after, _FIRST)) + self.every
        while (holiday := self._holiday(slot)) is not None:
            slot = self._at_or_before(holiday[1] - timedelta.resolution) + self.every
        return slot

    def latest(self, at: datetime) -> datetime | None:
        if at < _FIRST:
            return None
        slot = self._at_or_before(min(at, _LAST))
        while (holiday := self._holiday(slot)) is not None:
            slot = self._at_or_before(holiday[0] - timedelta.resolution)
        return slot

    def dst(self, slot: datetime) -> Dst | None:
        return None

    def without_calendar(self) -> "DurationTrigger":
        return replace(self, calendar=None)

    def words(self, phrases: Phrases) -> str:
        told = phrases.every(self.every)
        return phrases.resting(told, self.calendar.name) if self.calendar else told

    def _at_or_before(self, instant: datetime) -> datetime:
        return self.anchor + (instant - self.anchor) // self.every * self.every

    def _holiday(self, slot: datetime) -> tuple[datetime, datetime] | None:
        return holiday_at(slot, self.calendar, self.timezone)


def holiday_at(
    instant: datetime, calendar: Calendar | None, timezone: str | None
) -> tuple[datetime, datetime] | None:
    """From when to when the holiday lasts that ``instant`` lies on, if it does."""
    if calendar is None or timezone is None:
        return None
    tz = zone(timezone)
    # Where clocks go back over midnight the date that begun last goes on, so that dates do not alternate.
    day = date_begun(instant, tz)
    if day not in calendar.holidays:
        return None
    begin = start_of_date(day, tz)
    assert begin is not None
    return begin, end_of_date(day, tz)


def read_length(text: str) -> timedelta:
    """The length of time a schedule such as ``1h30m`` or ``@every 10s`` gives. Raises TriggerInvalid."""
    told = re.sub(r"^@every[ \t]+", "", text, flags=re.IGNORECASE)
    way_out = "write it such as 30s, 1h30m or @every 10s"
    if re.fullmatch(r"[0-9.]+", told):
        raise TriggerInvalid.at("/schedule", f"duration {quoted(text)} has no unit; {way_out}")
    if told.startswith("-"):
        raise TriggerInvalid.at("/schedule", f"duration {quoted(text)} is negative; {way_out}")
    try:
        length = parse_duration(told)
    except ValueError:
        raise TriggerInvalid.at(
            "/schedule", f"duration {quoted(text)} is not understood; {way_out}"
        ) from None
    if length < SHORTEST:
        raise TriggerInvalid.at("/schedule", f"duration {quoted(text)} is under one second; give 1s or more")
    if length > LONGEST:
        raise TriggerInvalid.at(
            "/schedule", f"duration {quoted(text)} is over ten years; use a cron or yearly job"
        )
    if length % _MILLISECOND:
        raise TriggerInvalid.at(
            "/schedule", f"duration {quoted(text)} is not in whole milliseconds; round it"
        )
    return length


def read(reading: Reading) -> DurationTrigger:
    """The trigger of a duration. Raises TriggerInvalid."""
    return DurationTrigger(
        every=read_length(reading.spec.schedule),
        anchor=reading.anchor,
        timezone=reading.timezone if reading.calendar else reading.spec.timezone,
        calendar=reading.calendar,
    )
