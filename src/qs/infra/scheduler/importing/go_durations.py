"""Lengths of time as Go writes them: ``1h30m``, ``1.5h``, ``100us``, ``-2s``."""

import re
from datetime import timedelta
from fractions import Fraction

from qs.domain.kernel.durations import duration_text

_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"(\d{1,18}\.?\d{0,18}|\.\d{1,18})(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_LONGEST = 200
# Go keeps them in 63 bits.
_MOST = 2**63


def go_duration(text: str) -> Fraction:
    """Its length in seconds. Raises ValueError for what time.ParseDuration refuses."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return Fraction(0)
    total, end = Fraction(0), 0
    while len(rest) <= _LONGEST and (part := _PART.match(rest, end)):
        total += Fraction(part[1] + "0" if part[1].endswith(".") else part[1]) * _NANOSECONDS[part[2]]
        end = part.end()
    if not rest or end != len(rest) or total >= _MOST:
        raise ValueError(f"{text[:60]!r} is no duration of Go; write it such as 30s or 1h30m")
    return sign * total / 1_000_000_000


def schedule_of(seconds: Fraction) -> str:
    """How a schedule of ours writes it, in whole milliseconds, none less than it is."""
    return duration_text(timedelta(milliseconds=-(-seconds * 1000 // 1)))
