"""How long people stay: what each enrollment contributes to Kaplan-Meier estimates."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from qs.domain.kernel.zones import civil_date, zone

_COMPLETED, _EXPIRED, _CANCELED = "completed", "expired", "canceled"


@dataclass(frozen=True, slots=True)
class Occasion:
    """One task as far as staying goes; ``ended_at`` is when it was completed, expired or canceled."""

    planned_at: datetime
    timezone: str
    status: str
    opened_at: datetime | None
    expires_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Observation:
    """``time`` until the event, or until nothing more is known where it was ``censored``."""

    time: float
    censored: bool


def stay(occasions: Sequence[Occasion]) -> Observation | None:
    """Days from the first occasion to dropping out, of one enrollment whose occasions ascend.

    The event is at the planned date of the first occasion after the last completed one, if that was not
    answered in its time. Where it is still open or pending, or there is none, the last completed occasion is all
    that is known. Canceled occasions do not count; None if there are no others.
    """
    asked = [occasion for occasion in occasions if occasion.status != _CANCELED]
    if not asked:
        return None
    last = max((n for n, occasion in enumerate(asked) if occasion.status == _COMPLETED), default=-1)
    following = asked[last + 1] if last + 1 < len(asked) else None
    if following is not None and following.status == _EXPIRED:
        return Observation(_days(asked[0], following), censored=False)
    return Observation(_days(asked[0], asked[max(last, 0)]), censored=True)


def latency(occasions: Iterable[Occasion], now: datetime) -> list[Observation]:
    """Hours from opening to the answer, of every task that was opened; those not answered are censored."""
    found = []
    for occasion in occasions:
        if occasion.opened_at is None:
            continue
        until = occasion.ended_at or now
        if occasion.expires_at is not None and occasion.status != _COMPLETED:
            # Nobody could answer any more from then on, however late that was noticed.
            until = min(until, occasion.expires_at)
        hours = (until - occasion.opened_at) / timedelta(hours=1)
        found.append(Observation(max(hours, 0.0), occasion.status != _COMPLETED))
    return found


def opening_lags(occasions: Iterable[Occasion]) -> list[float]:
    """Seconds from when each task was planned to when it was opened, of every one that was."""
    return [
        max((each.opened_at - each.planned_at) / timedelta(seconds=1), 0.0)
        for each in occasions
        if each.opened_at is not None
    ]


def _days(first: Occasion, later: Occasion) -> float:
    return float((_local(later) - _local(first)).days)


def _local(occasion: Occasion) -> date:
    return civil_date(occasion.planned_at, zone(occasion.timezone))
