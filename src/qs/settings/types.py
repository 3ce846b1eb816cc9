"""The kinds of value a setting may hold, each with the words that say what is expected of it."""

import ipaddress
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from msgspec import Meta

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?(?:ms|s|m|h|d))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)


def parse_duration(text: str) -> float:
    """The seconds that ``30s``, ``1m``, ``1h30m``, ``500ms``, ``7d`` or a plain number of seconds stands for.

    Raises:
        ValueError: it is none of these.
    """
    if _NUMBER.fullmatch(text):
        return float(text)
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is no duration; write it such as 30s, 1m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(text))


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text))


def whole(low: int, high: int) -> Meta:
    """A whole number between the two, both included."""
    return Meta(ge=low, le=high, extra={"expected": f"a whole number from {low} to {high}"})


def seconds(low: float, high: float) -> Meta:
    """A length of time in seconds between the two, which may be written as a duration."""
    expected = f"a duration such as 30s, 1m or 1h, from {low:g}s to {high:g}s"
    return Meta(ge=low, le=high, extra={"parse": parse_duration, "expected": expected})


def length_of_time(low: float, high: float) -> Meta:
    """A length of time as a ``timedelta`` between so many seconds."""

    def parse(text: str) -> timedelta:
        length = parse_duration(text)
        if not low <= length <= high:
            raise ValueError(text)
        return timedelta(seconds=length)

    expected = f"a duration such as 30s, 1m or 1h, from {low:g}s to {high:g}s"
    return Meta(extra={"parse": parse, "expected": expected})


Secret = Annotated[str, Meta(min_length=1, max_length=8192, extra={"secret": True, "expected": "a text"})]
"""Never shown, and may be given by the name of a file that holds it (``…_FILE``)."""

SecretUrl = Annotated[
    str, Meta(min_length=1, max_length=8192, extra={"secret": True, "url": True, "expected": "an address"})
]
"""An address that may hold a password; shown without it."""

Text = Annotated[
    str, Meta(min_length=1, max_length=1000, extra={"expected": "a text of 1 to 1000 characters"})
]
Flag = Annotated[bool, Meta(extra={"expected": "true or false"})]
Port = Annotated[int, whole(0, 65535)]
Days = Annotated[int, whole(1, 366)]
File = Annotated[Path, Meta(extra={"parse": lambda text: Path(text).expanduser(), "expected": "a path"})]
Network = Annotated[
    str, Meta(extra={"parse": _network, "expected": "an address or a network such as 10.0.0.0/8"})
]
"""An IP address or network in its usual spelling, without host bits."""
