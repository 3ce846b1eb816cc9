"""From a plan and a start date to dated occasions with their windows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from qs.domain.kernel.remembering import remembered
from qs.domain.kernel.zones import Flag, add_civil_days, zone
from qs.domain.plan.schedule import Schedule, Shift
from qs.domain.plan.terms import CatchUp, Terms

_MOST_REMEMBERED = 12_288
"""Some 3 MB, whether of few occasions each or of many."""


@dataclass(frozen=True, slots=True)
class PlannedOccasion:
    """When the ``seq``-th occasion is asked, due, and (None: never) closed to being opened."""

    seq: int
    date: date
    planned_at: datetime
    due_at: datetime
    closes_at: datetime | None
    flag: Flag | None


def _size(occasions: tuple[PlannedOccasion, ...]) -> int:
    # The schedule and the terms that were asked for take as much as some occasions do.
    return 4 + len(occasions)


@remembered(_MOST_REMEMBERED, _size)
def plan_occasions(
    schedule: Schedule, terms: Terms, zone_name: str, start_date: date | None, shifts: tuple[Shift, ...] = ()
) -> tuple[PlannedOccasion, ...]:
    """All occasions of one enrollment in ascending ``seq``; fixed dates need no ``start_date``.

    Raises:
        UnknownZone; Invalid ``plan.occasion_out_of_range`` when a date leaves 2199.
    """
    return tuple(
        PlannedOccasion(
            occasion.seq,
            occasion.date,
            occasion.planned_at,
            *windows(occasion.planned_at, terms, zone_name),
            occasion.flag,
        )
        for occasion in schedule.occasions(start_date, zone_name, shifts).occasions
    )


def windows(planned_at: datetime, terms: Terms, zone_name: str) -> tuple[datetime, datetime | None]:
    """The due instant and the end of the catch-up window (None: for ever) of a task planned at ``planned_at``."""
    tz = zone(zone_name)
    closes_at = None if terms.catch_up_days is None else add_civil_days(planned_at, terms.catch_up_days, tz)
    return add_civil_days(planned_at, terms.due_days, tz), closes_at


def unopenable(
    occasions: Sequence[PlannedOccasion],
    terms: Terms,
    now: datetime,
    staying: Iterable[tuple[datetime, int]] = (),
) -> frozenset[int]:
    """The seqs that could never be opened from ``now`` on.

    Their window has closed, or the plan asks only for the latest occasion and a newer one is due already.
    ``staying`` are the (planned_at, seq) of the enrollment's tasks that exist beside these occasions and are not
    canceled.
    """
    closed = {o.seq for o in occasions if o.closes_at is not None and now >= o.closes_at}
    if terms.catch_up is not CatchUp.LATEST:
        return frozenset(closed)
    open_ones = [(o.planned_at, o.seq) for o in occasions if o.seq not in closed]
    newest = newest_due([*open_ones, *staying], now)
    return frozenset(closed | {seq for planned_at, seq in open_ones if newest and (planned_at, seq) < newest})


def newest_due(instants: Iterable[tuple[datetime, int]], now: datetime) -> tuple[datetime, int] | None:
    """The last of the (planned_at, seq) that are due, which supersedes those before it; None if none is due."""
    return max((instant for instant in instants if instant[0] <= now), default=None)
