"""When the occasions of a plan fall: a rule on the calendar, and the instants it means in a time zone."""

import calendar
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from qs.domain.kernel.errors import Invalid, Problem, Refused
from qs.domain.kernel.remembering import remembered
from qs.domain.kernel.zones import Flag, resolve_wall_time, zone
from qs.domain.plan.fields import (
    DATE_RULE,
    FIRST_DATE,
    LAST_DATE,
    read_choice,
    read_date,
    read_increasing,
    read_number,
    read_trigger_time,
    whole,
)

LAST_OCCASION_DATE = date(2199, 12, 31)
DEFAULT_TRIGGER_TIME = time(19)

_MOST_REMEMBERED = 6144
"""Some 1 MB, whether of few occasions each or of many."""
_MAX_OFFSETS = {"relative_weeks": 5_200, "relative_days": 36_500, "relative_months": 1_200}


class ScheduleType(StrEnum):
    """The kinds of rule; each takes its own fields and no other."""

    BY_DAY = "by_day"
    BY_WEEK = "by_week"
    BY_MONTH = "by_month"
    CUSTOM = "custom"
    FIXED_DATE = "fixed_date"


_REPEATING = ("interval", "total_times")
_NEEDED: dict[ScheduleType, tuple[str, ...]] = {
    ScheduleType.BY_DAY: _REPEATING,
    ScheduleType.BY_WEEK: _REPEATING,
    ScheduleType.BY_MONTH: _REPEATING,
    ScheduleType.CUSTOM: (),
    ScheduleType.FIXED_DATE: ("fixed_dates",),
}


class InvalidSchedule(Invalid):
    """Fields of a schedule break their rules."""

    code = "plan.invalid_schedule"
    sentence = (
        "the schedule breaks the rules of its fields, so no date can be planned; correct every problem listed"
    )


class InvalidStartDate(Invalid):
    """A start date is missing, malformed or outside the years qs plans in."""

    code = "plan.invalid_start_date"
    sentence = f"the start date is not a date from {FIRST_DATE} to {LAST_DATE}; give one as YYYY-MM-DD"

    def __init__(self) -> None:
        super().__init__([Problem("/start_date", f"must be {DATE_RULE}")])


class OccasionOutOfRange(Invalid):
    """Occasion number ``seq`` (from 1) would fall later than qs plans; ``pointer`` names what was given for it."""

    code = "plan.occasion_out_of_range"

    def __init__(self, seq: int, pointer: str = "/start_date") -> None:
        self.seq = seq
        super().__init__(
            [Problem(pointer, f"must not put occasion {seq} after {LAST_OCCASION_DATE}")],
            f"occasion {seq} would fall after {LAST_OCCASION_DATE}, the last date qs plans; "
            "start earlier, shorten the interval or take fewer occasions",
        )


class FixedDatesCannotShift(Refused):
    """Dates that were given one by one stay where they are."""

    code = "plan.fixed_dates_cannot_shift"
    sentence = "a plan that names its dates cannot shift them; resume it with keep or skip, or edit the dates"


@dataclass(frozen=True, slots=True)
class Shift:
    """Occasions from ``from_seq`` on are ``days`` whole civil days later than the rule says."""

    from_seq: int
    days: int

    def __post_init__(self) -> None:
        if self.from_seq < 1 or self.days < 0:
            raise ValueError(
                "a shift starts at seq 1 or later and never moves an occasion to an earlier date"
            )


@dataclass(frozen=True, slots=True)
class Occasion:
    """One planned moment: ``planned_at`` (UTC) is the trigger time on ``date``, moved if flagged ``gap``."""

    seq: int
    date: date
    planned_at: datetime
    flag: Flag | None


@dataclass(frozen=True, slots=True)
class Occasions:
    """What a schedule comes to: occasions in order, seq 1, 2, 3 …, and dates the zone's calendar lacks."""

    occasions: tuple[Occasion, ...]
    skipped: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A valid schedule rule, made by ``of``; fields that are not of its type are None or empty.

    ``total_times`` is the number of dates for every type, also where a list decides it.
    """

    schedule_type: ScheduleType
    total_times: int
    interval: int | None = None
    relative_weeks: tuple[int, ...] = ()
    relative_days: tuple[int, ...] = ()
    relative_months: tuple[int, ...] = ()
    fixed_dates: tuple[date, ...] = ()
    trigger_time: time = DEFAULT_TRIGGER_TIME

    @classmethod
    def of(
        cls,
        *,
        schedule_type: object,
        interval: object = None,
        total_times: object = None,
        relative_weeks: object = None,
        relative_days: object = None,
        relative_months: object = None,
        fixed_dates: object = None,
        trigger_time: object = None,
    ) -> "Schedule":
        """The schedule these fields describe; None is a field left out.

        Dates and times may be text (``YYYY-MM-DD``, ``HH:MM[:SS]``) or values. Raises InvalidSchedule with
        every problem there is, each with a pointer such as ``/relative_weeks/3``.
        """
        fields = {
            "interval": interval,
            "total_times": total_times,
            "relative_weeks": relative_weeks,
            "relative_days": relative_days,
            "relative_months": relative_months,
            "fixed_dates": fixed_dates,
            "trigger_time": trigger_time,
        }
        return _read(schedule_type, {name: raw for name, raw in fields.items() if raw is not None})

    def date_of(self, start: date | None, i: int) -> date:
        """The civil date of occasion ``i`` (from 0), counted on the calendar from the start date itself.

        A month without that day gives its last day, and the next month the day again. ``start`` may be None
        for fixed_date, which does not use it. Raises OccasionOutOfRange after 2199-12-31, IndexError for an
        ``i`` the schedule does not have.
        """
        return self._shifted(start, i, seq=i + 1, shifts=())

    def occasions(self, start_date: object, zone_name: str, shifts: Iterable[Shift] = ()) -> Occasions:
        """All occasions for one start date in one zone, with strictly increasing instants.

        A date the zone's calendar lacks is skipped and takes no seq. A shift counts by the seq an occasion
        has here; several add up. There may be no occasion at all, if every date was skipped. Computed once
        per rule, start date, zone and shifts. Raises InvalidStartDate (not for fixed_date, which ignores the
        date), UnknownZone, OccasionOutOfRange, and FixedDatesCannotShift for shifts on fixed_date.
        """
        shifts = tuple(shifts)
        if self.schedule_type is not ScheduleType.FIXED_DATE:
            return _occasions(self, read_start_date(start_date), zone_name, shifts)
        if shifts:
            raise FixedDatesCannotShift
        return _occasions(self, None, zone_name, shifts)

    def _shifted(self, start: date | None, i: int, *, seq: int, shifts: tuple[Shift, ...]) -> date:
        if not 0 <= i < self.total_times:
            raise IndexError(f"the schedule has occasions 0 to {self.total_times - 1}")
        days = sum(shift.days for shift in shifts if shift.from_seq <= seq)
        try:
            shifted = self._anchored(start, i) + timedelta(days=days)
        except (OverflowError, ValueError):
            raise OccasionOutOfRange(seq) from None
        if shifted > LAST_OCCASION_DATE:
            raise OccasionOutOfRange(seq)
        return shifted

    def _anchored(self, start: date | None, i: int) -> date:
        if self.fixed_dates:
            return self.fixed_dates[i]
        assert start is not None
        if self.schedule_type is ScheduleType.BY_MONTH or self.relative_months:
            return _add_months(start, self._offset(i))
        in_weeks = self.schedule_type is ScheduleType.BY_WEEK or self.relative_weeks
        return start + timedelta(days=self._offset(i) * (7 if in_weeks else 1))

    def _offset(self, i: int) -> int:
        if self.interval is not None:
            return i * self.interval
        return (self.relative_weeks or self.relative_days or self.relative_months)[i]


def read_start_date(value: object) -> date:
    """The start date ``value`` is or spells as YYYY-MM-DD. Raises InvalidStartDate outside 2000 to 2099."""
    start = read_date(value)
    if start is None:
        raise InvalidStartDate
    return start


def _size(found: Occasions) -> int:
    return 4 + len(found.occasions) + len(found.skipped)


# A bulk enrollment asks for the same few start dates and zones thousands of times.
@remembered(_MOST_REMEMBERED, _size)
def _occasions(
    schedule: Schedule, start: date | None, zone_name: str, shifts: tuple[Shift, ...]
) -> Occasions:
    tz = zone(zone_name)
    found: list[Occasion] = []
    skipped: list[date] = []
    for i in range(schedule.total_times):
        seq = len(found) + 1
        day = schedule._shifted(start, i, seq=seq, shifts=shifts)
        resolved = resolve_wall_time(day, schedule.trigger_time, tz)
        if resolved is None:
            skipped.append(day)
        else:
            found.append(Occasion(seq, day, resolved.instant, resolved.flag))
    return Occasions(tuple(found), tuple(skipped))


def _add_months(start: date, months: int) -> date:
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return date(year, month + 1, min(start.day, calendar.monthrange(year, month + 1)[1]))


def _read(schedule_type: object, given: dict[str, object]) -> Schedule:
    problems: list[Problem] = []
    kind = read_choice(ScheduleType, "/schedule_type", schedule_type, problems)
    # Of an unknown type every field is checked by itself, so that one answer tells all that can be told.
    taken = _taken(kind) if kind else tuple(given)
    problems.extend(
        Problem(f"/{name}", f"is not a field of {kind}; leave it out") for name in given if name not in taken
    )
    values = {name: _read_field(name, raw, problems) for name, raw in given.items() if name in taken}
    if kind:
        problems.extend(_not_complete(kind, values))
    if kind is None or problems:
        raise InvalidSchedule(problems)
    values.setdefault("total_times", _entries(values))
    return Schedule(schedule_type=kind, **values)


def _taken(kind: ScheduleType) -> tuple[str, ...]:
    lists = tuple(_MAX_OFFSETS) if kind is ScheduleType.CUSTOM else ()
    return (*_NEEDED[kind], *lists, "total_times", "trigger_time")


def _read_field(name: str, raw: object, problems: list[Problem]) -> Any:
    pointer = f"/{name}"
    if name == "interval":
        return read_number(pointer, raw, 1, 366, problems)
    if name == "total_times":
        return read_number(pointer, raw, 1, 100, problems)
    if name == "trigger_time":
        return read_trigger_time(raw, problems)
    if name == "fixed_dates":
        return read_increasing(pointer, raw, read_date, DATE_RULE, problems)
    highest = _MAX_OFFSETS[name]
    return read_increasing(
        pointer, raw, lambda entry: whole(entry, 0, highest), f"a whole number from 0 to {highest}", problems
    )


def _not_complete(kind: ScheduleType, values: dict[str, Any]) -> Iterable[Problem]:
    if kind is ScheduleType.CUSTOM:
        lists = [name for name in _MAX_OFFSETS if name in values]
        if len(lists) != 1:
            detail = f"custom takes exactly one of {', '.join(_MAX_OFFSETS)}; {len(lists)} are given"
            yield from (Problem(f"/{name}", detail) for name in lists or list(_MAX_OFFSETS)[:1])
            return
    yield from (
        Problem(f"/{name}", f"is required for {kind}") for name in _NEEDED[kind] if name not in values
    )
    entries, total = _entries(values), values.get("total_times")
    if entries and total and total != entries:
        yield Problem("/total_times", f"must be the number of entries of the list, {entries}, or be left out")


def _entries(values: dict[str, Any]) -> int:
    return max((len(value) for value in values.values() if isinstance(value, tuple)), default=0)
