"""Cron expressions: five fields, six with seconds first, the quartz dialect, aliases, @every and CRON_TZ=."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NoReturn, TypeVar
from uuid import UUID

from qs.domain.kernel.zones import zone_names
from qs.domain.scheduler.triggers import duration
from qs.domain.scheduler.triggers.cron_days import days_of_month, days_of_week, is_open
from qs.domain.scheduler.triggers.cron_fields import HOUR, MINUTE, MONTH, SECOND, FieldFault, numbers
from qs.domain.scheduler.triggers.days import Days, DaysOfMonth, DaysOfWeek
from qs.domain.scheduler.triggers.spec import Dialect, TriggerInvalid, TriggerKind, quoted
from qs.domain.scheduler.triggers.times import FieldTimes
from qs.domain.scheduler.triggers.trigger import Reading, Trigger
from qs.domain.scheduler.triggers.wall_trigger import WallTrigger

_ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_ZONE_PREFIX = re.compile(r"(?:CRON_)?TZ=([^ \t]*)[ \t]*", re.IGNORECASE)
_RARE_YEARS = 10

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Expression:
    """The six fields of an expression, upper case, as they were written."""

    second: str
    minute: str
    hour: str
    day_of_month: str
    month: str
    day_of_week: str
    dialect: Dialect
    text: str

    @property
    def follows_the_clock(self) -> bool:
        """Whether it runs whenever clocks show a time, as Debian's cron decides: minute or hour begins with *."""
        return self.minute.startswith("*") or self.hour.startswith("*")


def read(reading: Reading) -> Trigger:
    """The trigger of a cron expression. Raises TriggerInvalid."""
    reading, text = _in_its_zone(reading)
    if text.lower().startswith("@every"):
        return duration.read(replace(reading, spec=replace(reading.spec, schedule=text)))
    expression = _expression(text, reading.spec.dialect)
    times, days = _times_and_days(expression, reading)
    if (years_between := days.longest_wait) < 0:
        _refuse_what_never_is(expression)
    return WallTrigger.of(
        TriggerKind.CRON,
        expression.text,
        reading.timezone,
        days,
        times,
        whenever_shown=expression.follows_the_clock,
        warnings=tuple(_warnings(expression, times, years_between)),
    )


def _in_its_zone(reading: Reading) -> tuple[Reading, str]:
    text = reading.spec.schedule
    if (match := _ZONE_PREFIX.match(text)) is None:
        return reading, text
    name = match[1]
    if name not in zone_names():
        raise TriggerInvalid.at(
            "/schedule", f"CRON_TZ={quoted(name)} is no IANA time zone; use a name such as Asia/Shanghai"
        )
    if reading.spec.timezone not in (None, name):
        raise TriggerInvalid.at(
            "/timezone",
            f"{quoted(reading.spec.timezone)} is not the zone of CRON_TZ={name} in the schedule; keep one of the two",
        )
    spec = replace(reading.spec, timezone=name)
    return replace(reading, spec=spec, timezone=name), text[match.end() :]


def _expression(text: str, dialect: Dialect) -> Expression:
    if text.startswith("@"):
        if (expanded := _ALIASES.get(text.lower())) is None:
            raise TriggerInvalid.at(
                "/schedule",
                f"alias {quoted(text)} is not known; use one of {', '.join(_ALIASES)}, or @every 10s",
            )
        text, dialect = expanded, "standard"
    fields = re.split(r"[ \t]+", text.upper())
    canonical = " ".join(fields)
    if dialect == "quartz" and len(fields) == 7:
        fields = _without_year(fields)
    if len(fields) not in ((6,) if dialect == "quartz" else (5, 6)):
        raise TriggerInvalid.at("/schedule", _miscounted(len(fields), dialect))
    second, minute, hour, day, month, weekday = fields if len(fields) == 6 else ["0", *fields]
    if dialect == "quartz" and (day == "?") == (weekday == "?"):
        raise TriggerInvalid.at(
            "/schedule",
            f"day of month {quoted(day)} and day of week {quoted(weekday)} must be ? in exactly one of the two in the "
            "quartz dialect; write ? for the one that does not matter",
        )
    return Expression(second, minute, hour, day, month, weekday, dialect, canonical)


def _without_year(fields: list[str]) -> list[str]:
    if fields[6] not in ("*", "?"):
        raise TriggerInvalid.at(
            "/schedule",
            f"year {quoted(fields[6])} is not supported; write * and bound the job by start_at and end_at",
        )
    return fields[:6]


def _miscounted(count: int, dialect: Dialect) -> str:
    given = f"{count} field is" if count == 1 else f"{count} fields are"
    if dialect == "quartz":
        return (
            f"{given} given where the quartz dialect takes 6, second minute hour day-of-month month day-of-week; "
            "put the seconds first, or use the standard dialect"
        )
    return (
        f"{given} given where cron takes 5, minute hour day-of-month month day-of-week, or 6 with the seconds first; "
        "write * for what does not matter"
    )


def _times_and_days(expression: Expression, reading: Reading) -> tuple[FieldTimes, Days]:
    faults: list[str] = []
    job_id = reading.job_id

    def field(read: Callable[[], Read], otherwise: Read) -> Read:
        try:
            return read()
        except FieldFault as fault:
            faults.append(str(fault))
            return otherwise

    seconds = field(lambda: numbers(SECOND, expression.second, job_id), 1)
    minutes = field(lambda: numbers(MINUTE, expression.minute, job_id), 1)
    hours = field(lambda: numbers(HOUR, expression.hour, job_id), 1)
    of_month = field(lambda: days_of_month(expression.day_of_month, job_id), DaysOfMonth())
    months = field(lambda: numbers(MONTH, expression.month, job_id), 2)
    of_week = field(lambda: _days_of_week(expression, job_id), DaysOfWeek())
    if faults:
        raise TriggerInvalid.at("/schedule", *faults)
    both = is_open(expression.day_of_month) or is_open(expression.day_of_week)
    days = Days(months=months, of_month=of_month, of_week=of_week, both=both, calendar=reading.calendar)
    return FieldTimes(hours, minutes, seconds), days


def _days_of_week(expression: Expression, job_id: UUID) -> DaysOfWeek:
    return days_of_week(expression.day_of_week, job_id, quartz=expression.dialect == "quartz")


def _refuse_what_never_is(expression: Expression) -> NoReturn:
    raise TriggerInvalid.at(
        "/schedule",
        f"day of month {quoted(expression.day_of_month)}, month {quoted(expression.month)} and day of week "
        f"{quoted(expression.day_of_week)} never meet in the 400 years after which the calendar repeats, so the job "
        "would never fire; use a day these months have, or L for the last one",
    )


def _warnings(expression: Expression, times: FieldTimes, years_between: int) -> Iterator[str]:
    if years_between >= _RARE_YEARS:
        yield f"rare_slot: up to {years_between} years pass between two slots; check the day fields"
    if times.hours == HOUR.all and not expression.follows_the_clock:
        yield (
            f"repeated_hour_lost: hour {expression.hour} makes this a job of fixed times, so where clocks are set back "
            "the repeated hour runs once only; write * for the hour to run in both"
        )
