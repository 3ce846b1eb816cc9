"""On which days: months, days of the month and days of the week, with a calendar's days off.

A month is fully described by the weekday it begins on and its length, so every rule here is a set of days (bits
1 to 31 of a number, see bits.py) for one of 28 shapes, worked out once. Weekdays are cron's, 0 for Sunday.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from qs.domain.scheduler.calendars import Calendar
from qs.domain.scheduler.triggers.bits import bits, first_from, last_to, listed
from qs.domain.scheduler.triggers.stretches import DAY, FIRST_INSTANT, LAST_INSTANT

ALL_MONTHS = bits(range(1, 13))
ALL_DAYS = bits(range(1, 32))
ALL_WEEKDAYS = bits(range(7))
MONDAY_TO_FRIDAY = bits(range(1, 6))

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_FIRST_DAY, _LAST_DAY = FIRST_INSTANT // DAY + 2, LAST_INSTANT // DAY - 2
_LENGTHS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# Which days of the month are that weekday, if the first is this one.
_DAYS_OF_WEEKDAY = tuple(
    tuple(bits(day for day in range(1, 32) if (first + day - 1) % 7 == weekday) for weekday in range(7))
    for first in range(7)
)


@dataclass(frozen=True, slots=True)
class DaysOfMonth:
    """Days by their number, counted from either end of the month.

    ``numbers`` counts from 1, ``from_end`` from 0 for the last day; with ``clamp`` a month that is too short
    gives its last day, or its first, instead of none. ``nearest`` are days replaced by the Monday-to-Friday day
    nearest them in the same month, and ``last_weekday`` is the last such day of the month.
    """

    numbers: int = 0
    from_end: int = 0
    nearest: int = 0
    last_weekday: bool = False
    clamp: bool = False

    def of_shape(self, first: int, length: int) -> int:
        found = self.numbers & _up_to(length)
        for back in listed(self.from_end):
            found |= 1 << (length - back) if back < length else 0
        if self.clamp and self.numbers >> (length + 1):
            found |= 1 << length
        if self.clamp and self.from_end >> length:
            found |= 1 << 1
        for day in listed(self.nearest & _up_to(length)):
            found |= 1 << _nearest_weekday(first, length, day)
        if self.last_weekday:
            found |= 1 << _nearest_weekday(first, length, length)
        return found


@dataclass(frozen=True, slots=True)
class DaysOfWeek:
    """Weekdays, the n-th of a weekday in a month as (weekday, n), and the last of a weekday in a month."""

    weekdays: int = 0
    nth: frozenset[tuple[int, int]] = frozenset()
    last: int = 0

    @property
    def covers_working_week(self) -> bool:
        """Whether it holds all of Monday to Friday, so that it holds for make-up workdays too."""
        return not MONDAY_TO_FRIDAY & ~self.weekdays

    def of_shape(self, first: int, length: int) -> int:
        of_weekday = _DAYS_OF_WEEKDAY[first]
        found = 0
        for weekday in listed(self.weekdays):
            found |= of_weekday[weekday]
        for weekday, n in self.nth:
            found |= 1 << ((weekday - first) % 7 + 7 * n - 6)
        for weekday in listed(self.last):
            found |= 1 << last_to(of_weekday[weekday], length)
        return found & _up_to(length)


EVERY_DAY_OF_MONTH = DaysOfMonth(ALL_DAYS)
EVERY_DAY_OF_WEEK = DaysOfWeek(ALL_WEEKDAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Civil dates, as days since 1970-01-01: those in ``months`` that the day fields and the calendar allow.

    ``both`` says whether a date must satisfy both day fields or one of them. A calendar takes its holidays out;
    on its make-up workdays the day of the week holds if it covers Monday to Friday.
    """

    months: int = ALL_MONTHS
    of_month: DaysOfMonth = EVERY_DAY_OF_MONTH
    of_week: DaysOfWeek = EVERY_DAY_OF_WEEK
    both: bool = True
    calendar: Calendar | None = None
    _of_shapes: dict[tuple[int, int], int] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def first_from(self, day: int) -> int | None:
        """The first of these dates that is ``day`` or later."""
        if day > _LAST_DAY:
            return None
        ordinal = max(day, _FIRST_DAY) + _EPOCH_ORDINAL
        start = date.fromordinal(ordinal)
        year, month, number = start.year, start.month, start.day
        begin = ordinal - number
        while True:
            if (
                self.months >> month & 1
                and (found := first_from(self._in_month(year, month, begin), number)) > 0
            ):
                return begin + found - _EPOCH_ORDINAL
            year, month = self._month_after(year, month)
            if year > 9998:
                return None
            number, begin = 1, date(year, month, 1).toordinal() - 1

    def last_to(self, day: int) -> int | None:
        """The last of these dates that is ``day`` or earlier."""
        if day < _FIRST_DAY:
            return None
        ordinal = min(day, _LAST_DAY) + _EPOCH_ORDINAL
        start = date.fromordinal(ordinal)
        year, month, number = start.year, start.month, start.day
        begin = ordinal - number
        while True:
            if (
                self.months >> month & 1
                and (found := last_to(self._in_month(year, month, begin), number)) > 0
            ):
                return begin + found - _EPOCH_ORDINAL
            year, month = self._month_before(year, month)
            if year < 2:
                return None
            number, begin = 31, date(year, month, 1).toordinal() - 1

    @property
    def longest_wait(self) -> int:
        """How many years may pass between two of these dates, calendar aside; 0 for one or less, -1 for never."""
        if any(all(self._shapes(month)) for month in listed(self.months)):
            return 0
        if not any(any(self._shapes(month)) for month in listed(self.months)):
            return -1
        # The Gregorian calendar repeats itself every 400 years, weekdays included.
        hits = [year for year in range(2000, 2400) if self._in_year(year)]
        return max(later - year for year, later in zip(hits, [*hits[1:], hits[0] + 400], strict=True))

    def _month_after(self, year: int, month: int) -> tuple[int, int]:
        later = first_from(self.months, month + 1)
        return (year, later) if later > 0 else (year + 1, first_from(self.months, 1))

    def _month_before(self, year: int, month: int) -> tuple[int, int]:
        earlier = last_to(self.months, month - 1)
        return (year, earlier) if earlier > 0 else (year - 1, last_to(self.months, 12))

    def _in_year(self, year: int) -> bool:
        months = listed(self.months)
        return any(
            self._of_shape(date(year, month, 1).toordinal() % 7, _length(year, month)) for month in months
        )

    def _in_month(self, year: int, month: int, begin: int) -> int:
        # Ordinal 1 was a Monday, and weekdays count from Sunday.
        first, length = (begin + 1) % 7, _length(year, month)
        if self.calendar is None:
            return self._of_shape(first, length)
        marks = self.calendar.marks(year, month)
        worked = marks.workdays if self.of_week.covers_working_week else 0
        found = self._combined(first, length, worked) if worked else self._of_shape(first, length)
        return found & ~marks.holidays

    def _of_shape(self, first: int, length: int) -> int:
        if (found := self._of_shapes.get((first, length))) is None:
            found = self._of_shapes[first, length] = self._combined(first, length, 0)
        return found

    def _combined(self, first: int, length: int, worked: int) -> int:
        of_month = self.of_month.of_shape(first, length)
        of_week = self.of_week.of_shape(first, length) | worked
        return of_month & of_week if self.both else of_month | of_week

    def _shapes(self, month: int) -> Iterator[int]:
        lengths = (28, 29) if month == 2 else (_LENGTHS[month],)
        return (self._of_shape(first, length) for first in range(7) for length in lengths)


def _up_to(length: int) -> int:
    return (2 << length) - 2


def _length(year: int, month: int) -> int:
    if month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0):
        return 29
    return _LENGTHS[month]


def _nearest_weekday(first: int, length: int, day: int) -> int:
    weekday = (first + day - 1) % 7
    if weekday == 6:
        return day - 1 if day > 1 else day + 2
    if weekday == 0:
        return day + 1 if day < length else day - 2
    return day
