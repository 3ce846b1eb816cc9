"""The kinds of value a setting may hold, each with the words that say what is expected of it."""

import ipaddress
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from qs.application.kernel.limiting import parse_limit
from qs.domain.kernel.durations import parse_duration
from qs.domain.notification.quiet_hours import QuietHours


def _in_seconds(text: str) -> float:
    return parse_duration(text).total_seconds()


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text))


def _rate(text: str) -> str:
    parse_limit("", text)
    return text


def _hours(text: str) -> str:
    QuietHours.parse(text)
    return text


def _share(text: str) -> float:
    share = float(text)
    if not 0.0 <= share <= 1.0:
        raise ValueError(text)
    return share


def whole(low: int, high: int) -> Meta:
    """A whole number between the two, both included."""
    return Meta(ge=low, le=high, extra={"expected": f"a whole number from {low} to {high}"})


def seconds(low: float, high: float) -> Meta:
    """A length of time in seconds between the two, which may be written as a duration."""
    expected = f"a duration such as 30s, 1m or 1h, from {low:g}s to {high:g}s"
    return Meta(ge=low, le=high, extra={"parse": _in_seconds, "expected": expected})


def length_of_time(low: float, high: float) -> Meta:
    """A length of time as a ``timedelta`` between so many seconds."""

    def parse(text: str) -> timedelta:
        length = parse_duration(text)
        if not low <= length.total_seconds() <= high:
            raise ValueError(text)
        return length

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
Share = Annotated[float, Meta(ge=0.0, le=1.0, extra={"parse": _share, "expected": "a number from 0 to 1"})]
Flag = Annotated[bool, Meta(extra={"expected": "true or false"})]
Port = Annotated[int, whole(0, 65535)]
Days = Annotated[int, whole(1, 366)]
File = Annotated[Path, Meta(extra={"parse": lambda text: Path(text).expanduser(), "expected": "a path"})]
Rate = Annotated[
    str,
    Meta(
        extra={
            "parse": _rate,
            "expected": "calls in a time from 1s to 24h, such as 600/1m, or 0 for no limit",
        }
    ),
]
"""How often somebody may call, as ``parse_limit`` reads it."""
Hours = Annotated[str, Meta(extra={"parse": _hours, "expected": "hours of the day such as 21:00-08:00"})]
"""From when until when on the clock, over midnight if need be."""
Network = Annotated[
    str, Meta(extra={"parse": _network, "expected": "an address or a network such as 10.0.0.0/8"})
]
"""An IP address or network in its usual spelling, without host bits."""
