"""Where counters, stored figures and a recount disagree, and why that probably is."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from qs.domain.statistics.metrics import METRICS, Counts, Dimension, Place

_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure that is not what the tasks say; a side that was not asked, or has no such figure, is None."""

    dimension: str
    key: str
    date: date | None
    metric: str
    redis: int | None
    stored: int | None
    expected: int
    cause: str

    def to_dict(self) -> dict[str, Any]:
        told = asdict(self)
        told["date"] = self.date.isoformat() if self.date else None
        return told


class Findings:
    """The first thousand differences and the number of all; which places are wrong on which side."""

    def __init__(self) -> None:
        self.checked = 0
        self.kept: list[Difference] = []
        self.total = 0
        self.wrong_stored: set[Place] = set()
        self.wrong_counters = False
        self.beyond_repair = False

    def add(self, difference: Difference) -> None:
        self.total += 1
        if len(self.kept) < _KEPT:
            self.kept.append(difference)

    def add_law(self, dimension: str, key: str, law: str) -> None:
        """A law that the tasks themselves break."""
        self.add(Difference(dimension, key, None, "law", None, None, 0, f"law: {law}"))
        self.beyond_repair = True


def stored_too_low_or_high(
    place: Place, stored: Counts, expected: Counts, in_flight: Counts, *, synced: bool
) -> Iterator[Difference]:
    """Figures in PostgreSQL that are more than happened, or less than what a finished sync must have written.

    ``in_flight`` is what may have been counted after the last sync began.
    """
    for name in _names(stored, expected):
        found, right = stored.get(name, 0), expected.get(name, 0)
        if found > right:
            yield Difference(*place, name, None, found, right, "counted_twice")
        elif found < right - in_flight.get(name, 0):
            cause = "lost_count" if synced else "not_synced"
            yield Difference(*place, name, None, found, right, cause)


def counters_too_high(place: Place, before: Counts, expected: Counts) -> Iterator[Difference]:
    """Counters that were, before the snapshot was taken, already more than it holds."""
    for name in _names(before, expected):
        if before.get(name, 0) > expected.get(name, 0):
            yield Difference(*place, name, before.get(name, 0), None, expected.get(name, 0), "counted_twice")


def counters_too_low(place: Place, after: Counts, expected: Counts, dead: Counts) -> Iterator[Difference]:
    """Counters that are less than the snapshot although all of its events have been acted on since."""
    for name in _names(after, expected):
        found, right = after.get(name, 0), expected.get(name, 0)
        if found < right:
            cause = "dead_letter" if dead.get(name, 0) >= right - found else "lost_count"
            yield Difference(*place, name, found, None, right, cause)


def totals_apart(
    dimension: str, key: str, right: Counts, found: Counts, *, synced: bool
) -> Iterator[Difference]:
    """Where a stored total is not the sum of the stored dates: acc(d) = acc(d-1) + daily(d)."""
    for name in _names(right, found):
        expected, stored = right.get(name, 0), found.get(name, 0)
        if stored > expected or (synced and stored < expected):
            yield Difference(dimension, key, None, name, None, stored, expected, "law: total = sum of dates")


def plan_too_high(key: str, stored: Counts, expected: Counts) -> Iterator[Difference]:
    """Stored totals of a plan that are more than there are tasks of that kind."""
    for name in ("completed", "expired", "missed", "canceled", "enrolled"):
        found, right = stored.get(name, 0), expected.get(name, 0)
        if found > right:
            yield Difference(Dimension.PLAN, key, None, name, None, found, right, "counted_twice")


def _names(*sides: Counts) -> Iterable[str]:
    named = set().union(*sides)
    return [name for name in METRICS if name in named] + sorted(named.difference(METRICS))
