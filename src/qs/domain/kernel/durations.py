"""Lengths of time as people write them: ``30s``, ``1m``, ``1h30m``, ``500ms``, ``7d``."""

import re
from datetime import timedelta

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_DURATION = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?(?:ms|s|m|h|d))+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """The length that ``30s``, ``1h30m`` or a plain number of seconds stands for; Go's notation, with days.

    Raises:
        ValueError: it is none of these, or longer than any calendar.
    """
    try:
        if _NUMBER.fullmatch(text):
            return timedelta(seconds=float(text))
        if _DURATION.fullmatch(text):
            return sum((float(number) * _UNITS[unit] for number, unit in _PART.findall(text)), timedelta())
    except OverflowError:
        pass
    raise ValueError(f"{text!r} is no duration; write it such as 30s, 1m or 1h30m")


def duration_text(length: timedelta) -> str:
    """How people write it, in as few units as are exact: ``90s`` is ``1m30s``, a day is ``24h``."""
    if not length:
        return "0s"
    milliseconds = length // timedelta(milliseconds=1)
    told = ""
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, size)
        told += f"{count}{unit}" if count else ""
    return told
