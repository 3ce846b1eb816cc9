"""The two day fields of a cron expression, with what only they know: ?, L, W and #."""

import re
from uuid import UUID

from qs.domain.scheduler.triggers.cron_fields import (
    DAY_OF_MONTH,
    DAY_OF_WEEK,
    QUARTZ_DAY_OF_WEEK,
    Field,
    term_numbers,
    terms,
)
from qs.domain.scheduler.triggers.days import (
    EVERY_DAY_OF_MONTH,
    EVERY_DAY_OF_WEEK,
    DaysOfMonth,
    DaysOfWeek,
)

_NEAREST = re.compile(r"([0-9]+)W")
_BEFORE_LAST = re.compile(r"L-([0-9]+)")
_NTH = re.compile(r"(\w+)#(.*)")
_LAST_OF = re.compile(r"(\w+)L")


def days_of_month(text: str, job_id: UUID) -> DaysOfMonth:
    """What a day-of-month field says. Raises FieldFault."""
    if text == "?":
        return EVERY_DAY_OF_MONTH
    days = from_end = nearest = 0
    last_weekday = False
    for term in terms(DAY_OF_MONTH, text):
        if term == "L":
            from_end |= 1
        elif term == "LW":
            last_weekday = True
        elif match := _BEFORE_LAST.fullmatch(term):
            from_end |= 1 << _days_before_last(term, match[1])
        elif match := _NEAREST.fullmatch(term):
            nearest |= 1 << DAY_OF_MONTH.number(match[1])
        elif term.startswith("L") or "W" in term:
            raise DAY_OF_MONTH.fault(term, "is not understood", "write L, L-n, LW or nW, such as 15W")
        else:
            days |= term_numbers(DAY_OF_MONTH, _without_question_mark(DAY_OF_MONTH, term), job_id)
    return DaysOfMonth(days, from_end, nearest, last_weekday)


def days_of_week(text: str, job_id: UUID, *, quartz: bool) -> DaysOfWeek:
    """What a day-of-week field says; ``quartz`` counts from 1 for Sunday. Raises FieldFault."""
    if text == "?":
        return EVERY_DAY_OF_WEEK
    field = QUARTZ_DAY_OF_WEEK if quartz else DAY_OF_WEEK
    weekdays = last = 0
    nth: set[tuple[int, int]] = set()
    for term in terms(field, text):
        if match := _NTH.fullmatch(term):
            nth.add((_weekday(field, match[1]), _ordinal(field, term, match[2])))
        elif term == "L" and quartz:
            weekdays |= 1 << 6
        elif term == "L":
            raise field.fault(
                term, "lacks the weekday it is the last of", "write 6L or SATL for the last Saturday"
            )
        elif match := _LAST_OF.fullmatch(term):
            last |= 1 << _weekday(field, match[1])
        elif _NEAREST.fullmatch(term):
            raise field.fault(term, "is not understood", "W belongs into the day of month, such as 15W")
        else:
            weekdays |= term_numbers(field, _without_question_mark(field, term), job_id) >> field.low
    return DaysOfWeek(weekdays, frozenset(nth), last)


def is_open(text: str) -> bool:
    """Whether a day field asks for both fields to hold: it begins with ``*`` or is ``?``."""
    return text.startswith("*") or text == "?"


def _weekday(field: Field, text: str) -> int:
    return (field.number(text) - field.low) % 7


def _ordinal(field: Field, term: str, text: str) -> int:
    if text not in ("1", "2", "3", "4", "5"):
        raise field.fault(term, "has no such weekday in a month", "write d#1 to d#5, or dL for the last one")
    return int(text)


def _days_before_last(term: str, text: str) -> int:
    if not 1 <= int(text[:9]) <= 30:
        raise DAY_OF_MONTH.fault(term, "is not in L-1 to L-30", "write L for the last day itself")
    return int(text)


def _without_question_mark(field: Field, term: str) -> str:
    if "?" in term:
        raise field.fault(term, "mixes ? with other values", "write ? alone, or * for every value")
    return term
