"""How many calls somebody may make in a time, and who counts them.

A limit of N in a period holds for every stretch of that length, wherever it begins: the period is counted in ten slots, and
a call is forgotten once the slot it fell into lies more than a whole period back. What was spent comes back slot by slot.
"""

import math
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from qs.domain.kernel.durations import parse_duration
from qs.domain.kernel.errors import Limited

READING, WRITING, DUTIES, LOGIN, MISSES = "reading", "writing", "duties", "login", "misses"
KINDS = (READING, WRITING, DUTIES, LOGIN, MISSES)
"""What calls are counted as: by their method, unless they drive a duty, log somebody in, or come by a link that opens nothing."""

SLOTS = 10
NO_LIMIT = "0"
_SHORTEST_MS, _LONGEST_MS = 1000, 86_400_000
_LIMIT = re.compile(r"([1-9][0-9]{0,8})/(\S{1,20})", re.ASCII)


class RateExceeded(Limited):
    code = "too_many_requests"

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            f"requests of this kind come faster than they may, so this one was not carried out; try again in {retry_after} s",
            retry_after=retry_after,
        )


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``calls`` of one kind (``name``) in any ``period_ms`` milliseconds, for each subject by itself."""

    name: str
    calls: int
    period_ms: int

    @property
    def slot_ms(self) -> int:
        return math.ceil(self.period_ms / SLOTS)

    def divided(self, by: int) -> "Limit":
        """The share of one of so many who count for themselves; at least one call."""
        return Limit(self.name, max(1, self.calls // by), self.period_ms)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a call may be made. ``remaining`` more may follow at once; ``wait_ms`` from now some that were spent are back."""

    allowed: bool
    remaining: int
    wait_ms: int

    @property
    def wait_s(self) -> int:
        """In whole seconds, never too few."""
        return max(1, math.ceil(self.wait_ms / 1000))


class Limiter(Protocol):
    """Counts calls, for one process or for all of them."""

    async def spend(self, subject: str, limit: Limit) -> Verdict:
        """Counts one call of the subject if it is allowed; one that is not costs nothing."""


class LocalLimiter:
    """The calls that this process saw, of at most ``capacity`` subjects; the one not seen for longest is forgotten first.

    ``monotonic`` is in seconds.
    """

    def __init__(self, monotonic: Callable[[], float], capacity: int = 10_000) -> None:
        self._monotonic = monotonic
        self._capacity = capacity
        self._counts: OrderedDict[tuple[str, str], dict[int, int]] = OrderedDict()

    async def spend(self, subject: str, limit: Limit) -> Verdict:
        now = int(self._monotonic() * 1000)
        current = now // limit.slot_ms
        key = limit.name, subject
        known = self._counts.get(key, {})
        counts = {slot: count for slot, count in known.items() if current - SLOTS <= slot <= current}
        used = sum(counts.values())
        if allowed := used < limit.calls:
            counts[current] = counts.get(current, 0) + 1
            used += 1
        self._counts[key] = counts
        self._counts.move_to_end(key)
        while len(self._counts) > self._capacity:
            self._counts.popitem(last=False)
        back_at = (min(counts, default=current) + SLOTS + 1) * limit.slot_ms
        return Verdict(allowed, max(0, limit.calls - used), back_at - now)


class RateLimits:
    """The limits of an installation by name; what has none is not counted."""

    def __init__(self, limiter: Limiter, limits: Mapping[str, Limit]) -> None:
        self._limiter = limiter
        self._limits = limits

    def limit(self, name: str | None) -> Limit | None:
        return None if name is None else self._limits.get(name)

    async def spend(self, subject: str, limit: Limit) -> Verdict:
        return await self._limiter.spend(subject, limit)


def parse_limit(name: str, text: str) -> Limit | None:
    """The limit written as ``600/1m``, calls and a period from 1 s to a day; None for ``0``, which is none.

    Raises:
        ValueError: it is written in another way.
    """
    if text == NO_LIMIT:
        return None
    match = _LIMIT.fullmatch(text)
    period_ms = round(parse_duration(match[2]).total_seconds() * 1000) if match else 0
    if match is None or not _SHORTEST_MS <= period_ms <= _LONGEST_MS:
        raise ValueError(f"{text!r} is no limit; write it such as 600/1m, or 0 for none")
    return Limit(name, int(match[1]), period_ms)
