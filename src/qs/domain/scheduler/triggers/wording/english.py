"""Triggers in English."""

from datetime import datetime, timedelta

from qs.domain.scheduler.triggers.bits import listed
from qs.domain.scheduler.triggers.days import ALL_MONTHS, ALL_WEEKDAYS, EVERY_DAY_OF_MONTH, Days, DaysOfMonth
from qs.domain.scheduler.triggers.times import Times, clock_text
from qs.domain.scheduler.triggers.wording.rhythm import Listed, Spelled, Stepping, rhythm, runs, weekday_runs

_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_MONTHS = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNITS = (
    (timedelta(hours=1), "h", "hour"),
    (timedelta(minutes=1), "min", "minute"),
    (timedelta(seconds=1), "s", "second"),
)


class English:
    """Phrases of a sentence that has no subject: "Mon–Fri at 09:00 Asia/Shanghai"."""

    def every(self, period: timedelta) -> str:
        for unit, _, name in _UNITS:
            if period == unit:
                return f"every {name}"
        return f"every {_length(period)}"

    def after_end(self, delay: timedelta) -> str:
        return f"{_length(delay)} after the last execution ended"

    def once(self, at: datetime) -> str:
        return f"once at {_instant(at)}"

    def recurring(self, days: Days, times: Times, timezone: str) -> str:
        shape = rhythm(times)
        on, at = self._days(days), self._times(shape)
        told = at if on == "every day" and not isinstance(shape, Listed) else f"{on} {at}"
        told = f"{told} {timezone}"
        if days.calendar is None:
            return told
        told = self.resting(told, days.calendar.name)
        if days.of_week.weekdays != ALL_WEEKDAYS and days.of_week.covers_working_week:
            return f"{told}, and on its make-up workdays"
        return told

    def resting(self, text: str, calendar: str) -> str:
        return f"{text}, except on holidays of calendar {calendar}"

    def bounded(self, text: str, start: datetime | None, end: datetime | None) -> str:
        since = f", from {_instant(start)} on" if start else ""
        until = f", before {_instant(end)}" if end else ""
        return f"{text}{since}{until}"

    def _times(self, shape: Listed | Stepping | Spelled) -> str:
        match shape:
            case Listed(seconds):
                return f"at {_and([clock_text(second) for second in seconds])}"
            case Stepping(first, last, step):
                told = self.every(step)
                if not shape.round_the_clock:
                    return f"{told} from {clock_text(first)} to {clock_text(last)}"
                return f"{told} from {clock_text(first)}" if first else told
            case Spelled(hours, minutes, seconds):
                told = f"{_field('minute', minutes)} of {_field('hour', hours)}"
                told = told if seconds == [(0, 0)] else f"{_field('second', seconds)} of {told}"
                return told if told.startswith("every") else f"at {told}"

    def _days(self, days: Days) -> str:
        any_of_month, any_of_week = days.of_month == EVERY_DAY_OF_MONTH, days.of_week.weekdays == ALL_WEEKDAYS
        in_months = "" if days.months == ALL_MONTHS else f" in {_and(_named_runs(days.months, _MONTHS))}"
        if (any_of_month and any_of_week) or (not days.both and (any_of_month or any_of_week)):
            return f"every day{in_months}"
        of_month, of_week = _days_of_month(days.of_month), _days_of_week(days)
        if any_of_month:
            return f"{of_week}{in_months}"
        if any_of_week:
            return f"{of_month} of the month{in_months}"
        if days.both:
            return f"{of_month} of the month{in_months}, if that is {of_week},"
        return f"{of_month} of the month or {of_week},{in_months}" + ("," if in_months else "")


def _days_of_month(days: DaysOfMonth) -> str:
    found = [
        f"the {_nth(first)}" if first == last else f"the {_nth(first)}–{_nth(last)}"
        for first, last in runs(days.numbers)
    ]
    found += [f"the weekday (Mon–Fri) nearest the {_nth(day)}" for day in listed(days.nearest)]
    if days.last_weekday:
        found.append("the last weekday (Mon–Fri)")
    found += [
        f"the {_nth(back + 1)} to last day" if back else "the last day"
        for back in reversed(listed(days.from_end))
    ]
    told = _and(found)
    return f"{told} (the nearest day there is in shorter months)" if days.clamp else told


def _days_of_week(days: Days) -> str:
    of_week = days.of_week
    found = [
        _WEEKDAYS[first] if first == last else f"{_WEEKDAYS[first]}–{_WEEKDAYS[last]}"
        for first, last in weekday_runs(of_week.weekdays)
    ]
    found += [f"the {_nth(n)} {_WEEKDAYS[weekday]} of the month" for weekday, n in sorted(of_week.nth)]
    found += [f"the last {_WEEKDAYS[weekday]} of the month" for weekday in listed(of_week.last)]
    return _and(found)


def _field(name: str, values: list[tuple[int, int]] | None) -> str:
    if values is None:
        return f"every {name}"
    return f"{name} {_and([str(first) if first == last else f'{first}–{last}' for first, last in values])}"


def _named_runs(members: int, names: tuple[str, ...]) -> list[str]:
    return [
        names[first] if first == last else f"{names[first]}–{names[last]}" for first, last in runs(members)
    ]


def _and(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _nth(number: int) -> str:
    ending = "th" if number in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _length(period: timedelta) -> str:
    found = []
    for unit, short, _ in _UNITS[:2]:
        count, period = divmod(period, unit)
        found += [f"{count} {short}"] if count else []
    return " ".join(found + ([f"{period.total_seconds():g} s"] if period else []))


def _instant(at: datetime) -> str:
    clock = at.replace(tzinfo=None).isoformat(" ", "auto" if at.second or at.microsecond else "minutes")
    return f"{clock} {at.tzinfo}"
