"""Reading single fields: the value if it keeps its rule, else None and one problem noted for all to see together."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, time
from enum import StrEnum
from typing import TypeVar

from qs.domain.kernel.errors import Problem

FIRST_DATE = date(2000, 1, 1)
LAST_DATE = date(2099, 12, 31)
DATE_RULE = f"a date as YYYY-MM-DD from {FIRST_DATE} to {LAST_DATE}"

_DATE_TEXT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME_TEXT = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_MAX_ENTRIES = 100


def read_trigger_time(raw: object, problems: list[Problem]) -> time | None:
    """The time of day ``raw`` is or spells as HH:MM or HH:MM:SS; None and a noted problem otherwise."""
    if isinstance(raw, str) and _TIME_TEXT.fullmatch(raw):
        with suppress(ValueError):
            return time.fromisoformat(raw)
    # A value may carry more than text can say: a zone of its own, or parts of a second.
    if isinstance(raw, time) and raw == raw.replace(microsecond=0, tzinfo=None):
        return raw
    problems.append(Problem("/trigger_time", "must be a time of day as HH:MM or HH:MM:SS, 00:00 to 23:59:59"))
    return None


def read_number(pointer: str, raw: object, low: int, high: int, problems: list[Problem]) -> int | None:
    """``raw`` if it is a whole number from ``low`` to ``high``; None and a noted problem otherwise."""
    number = whole(raw, low, high)
    if number is None:
        problems.append(Problem(pointer, f"must be a whole number from {low} to {high}"))
    return number


_Choice = TypeVar("_Choice", bound=StrEnum)


def read_choice(choices: type[_Choice], pointer: str, raw: object, problems: list[Problem]) -> _Choice | None:
    """The choice ``raw`` is or spells; None and a noted problem otherwise."""
    for choice in choices:
        if choice == raw:
            return choice
    problems.append(Problem(pointer, f"must be one of {', '.join(choices)}"))
    return None


_Entry = TypeVar("_Entry", int, date)


def read_increasing(
    pointer: str, raw: object, read: Callable[[object], _Entry | None], rule: str, problems: list[Problem]
) -> tuple[_Entry, ...]:
    if not isinstance(raw, list | tuple) or not 1 <= len(raw) <= _MAX_ENTRIES:
        problems.append(Problem(pointer, f"must be a list of 1 to {_MAX_ENTRIES} entries"))
        return ()
    entries: list[_Entry] = []
    for position, item in enumerate(raw):
        entry = read(item)
        if entry is None:
            problems.append(Problem(f"{pointer}/{position}", f"must be {rule}"))
            continue
        if entries and entry <= entries[-1]:
            problems.append(Problem(f"{pointer}/{position}", "must be greater than the entry before it"))
        entries.append(entry)
    return tuple(entries)


def whole(raw: object, low: int, high: int) -> int | None:
    # True is an int to Python, but nobody who sends true means 1.
    return raw if isinstance(raw, int) and not isinstance(raw, bool) and low <= raw <= high else None


def read_date(raw: object) -> date | None:
    if isinstance(raw, str) and _DATE_TEXT.fullmatch(raw):
        with suppress(ValueError):
            raw = date.fromisoformat(raw)
    # A datetime is a date to Python, and comparing the two fails.
    if not isinstance(raw, date) or isinstance(raw, datetime):
        return None
    return raw if FIRST_DATE <= raw <= LAST_DATE else None
