"""Slots found by living through every minute: an oracle that shares nothing with the code it judges.

It walks real instants and reads what the clocks show. A wildcard job runs in each minute that matches. A fixed job
is walked by local dates: each matching wall time runs in the first minute that shows it; if none does, in the first
minute that shows a later time; and on a date that no minute showed, not at all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from random import Random

from qs.domain.kernel.zones import zone

ZONES = (
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Caracas",
    "America/Havana",
    "America/New_York",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/Scoresbysund",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Amman",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Asia/Shanghai",
    "Asia/Tehran",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/London",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Pacific/Kwajalein",
    "UTC",
)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
AROUND = timedelta(hours=36)

Wall = tuple[date, int, int]
"""What a clock shows: date, hour and minute."""

Values = tuple[str, frozenset[int]]
"""A field of an expression and the values it stands for."""

_FIRST, _LAST = datetime(1985, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Job:
    """An expression and, known from how it was made up, which hours, minutes and dates it stands for."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    on: Callable[[date], bool]
    fixed: bool


@dataclass(frozen=True)
class Window:
    """Every minute from some time before a change of clocks to some time after, and what clocks showed in it.

    Or every quarter of an hour, which is enough for jobs that keep to quarters and clocks that change at one.
    """

    zone: str
    minutes: list[tuple[datetime, Wall]]
    first_shown: dict[Wall, datetime]
    jumps: list[tuple[datetime, Wall]]

    @classmethod
    def around(
        cls, zone_name: str, change: datetime, reach: timedelta = AROUND, step: timedelta = MINUTE
    ) -> "Window":
        tz = zone(zone_name)
        window = cls(zone_name, [], {}, [])
        at, offset = change - reach, None
        while at < change + reach:
            local = at.astimezone(tz)
            wall = (local.date(), local.hour, local.minute)
            window.minutes.append((at, wall))
            window.first_shown.setdefault(wall, at)
            if local.utcoffset() != offset:
                window.jumps.append((at, wall))
            at, offset = at + step, local.utcoffset()
        return window

    def slots(self, job: Job) -> list[datetime]:
        hours, minutes = job.hours, job.minutes
        on = {day for day in self._dates() if job.on(day)}
        if job.fixed:
            walls = [(day, hour, minute) for day in on for hour in hours for minute in minutes]
            return sorted({at for wall in walls if (at := self._run_of(wall)) is not None})
        return [
            at
            for at, (day, hour, minute) in self.minutes
            if minute in minutes and hour in hours and day in on
        ]

    def _dates(self) -> set[date]:
        return {day for day, _, _ in self.first_shown}

    def _run_of(self, wall: Wall) -> datetime | None:
        if wall < self.minutes[0][1]:
            return None
        if (at := self.first_shown.get(wall)) is not None:
            return at
        # What no minute shows was jumped over, or lies after the window.
        return next((at for at, later in self.jumps if later > wall), None)


@cache
def changes(zone_name: str) -> tuple[datetime, ...]:
    """The minutes at which the clocks of a zone were or will be moved; some minute for one that never does."""
    tz = zone(zone_name)
    found = []
    day, offset = _FIRST, _FIRST.astimezone(tz).utcoffset()
    while day < _LAST:
        day += DAY
        if day.astimezone(tz).utcoffset() != offset:
            low, high = day - DAY, day
            while high - low > MINUTE:
                middle = low + (high - low) // (2 * MINUTE) * MINUTE
                if middle.astimezone(tz).utcoffset() == offset:
                    low = middle
                else:
                    high = middle
            found.append(high)
            offset = day.astimezone(tz).utcoffset()
    return tuple(found) or (datetime(2024, 2, 28, 23, 30, tzinfo=UTC),)


def made_up_job(random: Random, window: Window) -> Job:
    """A job that has slots near the middle of the window, of any shape the grammar knows."""
    _, (day, hour, minute) = random.choice(
        window.minutes[len(window.minutes) // 3 : -len(window.minutes) // 3]
    )
    return _job(random, _field(random, minute, 60), _field(random, hour, 24), day)


def rare_job(random: Random, day: date) -> Job:
    """A job that keeps to quarters of an hour, on few days."""
    minute = random.choice([("0", [0]), ("30", [30]), ("*/30", [0, 30]), ("15,45", [15, 45])])
    hour = random.choice([("*/6", [0, 6, 12, 18]), ("2", [2]), ("0-3", [0, 1, 2, 3]), ("*", [*range(24)])])
    return _job(random, (minute[0], frozenset(minute[1])), (hour[0], frozenset(hour[1])), day)


def _job(random: Random, minute: Values, hour: Values, day: date) -> Job:
    month_text = random.choice(["*", "*", "*", "1-12", str(day.month)])
    months = {day.month} if month_text.isdigit() else set(range(1, 13))
    day_text, on_number = _day_of_month(random, day)
    week_text, on_weekday = _day_of_week(random, day)
    either = not (day_text.startswith("*") or week_text.startswith("*"))

    def on(date: date) -> bool:
        joined = on_number(date) or on_weekday(date) if either else on_number(date) and on_weekday(date)
        return joined and date.month in months

    return Job(
        f"{minute[0]} {hour[0]} {day_text} {month_text} {week_text}",
        minute[1],
        hour[1],
        on,
        fixed=not (minute[0].startswith("*") or hour[0].startswith("*")),
    )


def _field(random: Random, near: int, size: int) -> Values:
    """A minute or hour field that takes in, or nearly, the value ``near``."""
    near = (near + random.choice([0, 0, 0, -1, 1, 30])) % size
    other = random.randrange(size)
    step = random.choice([2, 3, 4, 5, 6, 7, 10, 12, 15, 20])
    low, high = min(near, other), max(near, other)
    wrapped = [*range(high, size), *range(low + 1)]
    return random.choice(
        [
            ("*", frozenset(range(size))),
            (f"*/{step}", frozenset(range(0, size, step))),
            (str(near), frozenset([near])),
            (str(near), frozenset([near])),
            (f"{near},{other}", frozenset([near, other])),
            (f"{low}-{high}", frozenset(range(low, high + 1))),
            (f"{low}-{high}/{step}", frozenset(range(low, high + 1, step))),
            (f"{near}/{step}", frozenset(range(near, size, step))),
            (f"0-{size - 1}", frozenset(range(size))),
            (f"{high}-{low}", frozenset(wrapped) if high > low else frozenset([low])),
            (f"*,{near}", frozenset(range(size))),
        ]
    )


def _day_of_month(random: Random, day: date) -> tuple[str, Callable[[date], bool]]:
    number = day.day
    tomorrow = number % 31 + 1
    return random.choice(
        [
            ("*", lambda date: True),
            ("*", lambda date: True),
            ("*", lambda date: True),
            ("*/2", lambda date: date.day % 2 == 1),
            (f"{number}", lambda date: date.day == number),
            (f"{number},{tomorrow}", lambda date: date.day in (number, tomorrow)),
            (f"{number}/3", lambda date: date.day >= number and (date.day - number) % 3 == 0),
            ("L", lambda date: (date + DAY).day == 1),
            ("L-1", lambda date: (date + 2 * DAY).day == 1),
            ("LW", lambda date: date == _last_weekday(date)),
        ]
    )


def _day_of_week(random: Random, day: date) -> tuple[str, Callable[[date], bool]]:
    weekday = day.isoweekday()
    name = day.strftime("%a").upper()
    week = (day.day + 6) // 7
    return random.choice(
        [
            ("*", lambda date: True),
            ("*", lambda date: True),
            ("*", lambda date: True),
            (f"{weekday}", lambda date: date.isoweekday() == weekday),
            ("1-5", lambda date: date.isoweekday() <= 5),
            ("FRI-SUN", lambda date: date.isoweekday() >= 5),
            (f"{name}#{week}", lambda date: date.isoweekday() == weekday and (date.day + 6) // 7 == week),
            (f"{name}L", lambda date: date.isoweekday() == weekday and (date + 7 * DAY).month != date.month),
        ]
    )


def _last_weekday(day: date) -> date:
    last = day.replace(day=28) + 4 * DAY
    last -= last.day * DAY
    while last.isoweekday() > 5:
        last -= DAY
    return last
