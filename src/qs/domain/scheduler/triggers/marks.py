"""What is to be known about a slot beside its time: what clocks and a calendar did to it, and before it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from qs.domain.kernel.zones import civil_date, end_of_date, start_of_date, zone
from qs.domain.scheduler.calendars import Calendar
from qs.domain.scheduler.triggers.stretches import in_utc
from qs.domain.scheduler.triggers.trigger import Trigger

_MINUTE = timedelta(minutes=1)


class MarkCode(StrEnum):
    """``shifted`` out of a gap; the ``first`` of two equal wall times, and the only one that fires; in the first or in the
    second pass of a repeated hour (``first_pass``, ``second_pass``); clocks were moved since the slot before
    (``clock_moved``); dates were ``left_out`` before it; a make-up workday brought it in (``worked``); a delay that
    ``waited`` until a holiday was over.
    """

    SHIFTED = "shifted"
    FIRST = "first"
    FIRST_PASS = "first_pass"  # noqa: S105 - of an hour, not a password
    SECOND_PASS = "second_pass"  # noqa: S105 - the same
    CLOCK_MOVED = "clock_moved"
    LEFT_OUT = "left_out"
    WORKED = "worked"
    WAITED = "waited"


@dataclass(frozen=True, slots=True)
class Mark:
    """``minutes`` clocks were moved by, forward if positive; ``dates`` that were left out; the ``calendar`` by its name."""

    code: MarkCode
    minutes: int | None = None
    dates: int | None = None
    calendar: str | None = None


def marks_of(trigger: Trigger, slot: datetime, after: datetime, before: datetime | None) -> tuple[Mark, ...]:
    """The marks of the first slot later than ``after``; ``before`` is the slot shown before it, if there was one."""
    return (*_of_clocks(trigger, slot, before), *_of_calendar(trigger, slot, after))


def _of_clocks(trigger: Trigger, slot: datetime, before: datetime | None) -> Iterator[Mark]:
    tz = zone(trigger.timezone or "UTC")
    local = slot.astimezone(tz)
    if (done := trigger.dst(slot)) is not None:
        yield Mark(MarkCode(done))
    elif local.fold:
        yield Mark(MarkCode.SECOND_PASS)
    elif local.replace(fold=1).utcoffset() != local.utcoffset():
        yield Mark(MarkCode.FIRST_PASS)
    if before is not None and (moved := _offset(slot, tz) - _offset(before, tz)):
        yield Mark(MarkCode.CLOCK_MOVED, minutes=moved // _MINUTE)


def _of_calendar(trigger: Trigger, slot: datetime, after: datetime) -> Iterator[Mark]:
    if (calendar := trigger.calendar) is None:
        return
    unmarked = trigger.without_calendar()
    tz = zone(trigger.timezone or "UTC")
    if trigger.depends_on_end:
        if unmarked.next_after(after) != slot:
            yield Mark(MarkCode.WAITED, calendar=calendar.name)
        return
    if dates := sum(_would_fire(unmarked, day, after, tz) for day in _holidays(calendar, after, slot, tz)):
        yield Mark(MarkCode.LEFT_OUT, dates=dates, calendar=calendar.name)
    if unmarked.latest(slot) != slot:
        yield Mark(MarkCode.WORKED, calendar=calendar.name)


def _holidays(calendar: Calendar, after: datetime, slot: datetime, tz: ZoneInfo) -> Iterator[date]:
    first, last = civil_date(after, tz), civil_date(slot, tz)
    if (last - first).days >= len(calendar.holidays):
        return (day for day in calendar.holidays if first <= day <= last)
    # Most slots are days apart, and a calendar may have thousands.
    between = (first + timedelta(days) for days in range((last - first).days + 1))
    return (day for day in between if day in calendar.holidays)


def _would_fire(unmarked: Trigger, day: date, after: datetime, tz: ZoneInfo) -> bool:
    """Whether a slot later than ``after`` lies on the date, which need not be one the zone had."""
    begin = start_of_date(day, tz)
    if begin is None:
        return False
    found = unmarked.next_after(max(begin - timedelta.resolution, in_utc(after)))
    return found is not None and found < end_of_date(day, tz)


def _offset(instant: datetime, tz: ZoneInfo) -> timedelta:
    return instant.astimezone(tz).utcoffset() or timedelta()
