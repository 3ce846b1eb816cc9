"""Civil time, from the one tz data set this release is pinned to, never the machine's own."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from typing import Literal
from zoneinfo import ZoneInfo

from qs.domain.kernel.errors import Invalid, Problem

Flag = Literal["gap", "fold"]
"""Why a wall time is not plain: it does not exist that day (``gap``), or it exists twice (``fold``)."""


class UnknownZone(Invalid):
    """The name is none of the pinned tz data set's; ``pointer`` says where in the caller's input it stood."""

    code = "zone.unknown"
    sentence = (
        "the time zone is not known, so no local time can be computed; use an IANA name such as Asia/Shanghai"
    )

    def __init__(self, pointer: str = "/timezone") -> None:
        super().__init__([Problem(pointer, "must be an IANA time zone name such as Asia/Shanghai")])


@dataclass(frozen=True, slots=True)
class Resolved:
    """The one instant (aware, UTC) a wall time stands for, and whether that took a decision."""

    instant: datetime
    flag: Flag | None


@cache
def zone_names() -> frozenset[str]:
    """Every zone name there is: canonical ones and their aliases, spelled exactly so."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of that exact name, the same object at every call. Raises UnknownZone for any other text."""
    # Only a listed name ever becomes a path, and only listed names stay in the cache.
    if name not in zone_names():
        raise UnknownZone
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def resolve_wall_time(local_date: date, local_time: time, tz: ZoneInfo) -> Resolved | None:
    """The first instant at which the zone's clocks show at least this date and time.

    That is the wall time itself, the first of two when it exists twice (``fold``), and the first instant
    after the gap when clocks skip it (``gap``). None when the civil date does not exist in the zone at all,
    as 2011-12-30 in Pacific/Apia. For one time of day, later dates always give later instants: the tz data
    has no gap of 24 hours or more since 2000 but those that are exactly one civil date.
    """
    wall = datetime.combine(local_date, local_time, tz).replace(fold=0)
    resolved = _resolve(wall)
    if resolved.flag == "gap" and _skips_whole_date(wall, resolved.instant.astimezone(tz)):
        return None
    return resolved


def add_civil_days(instant: datetime, days: int, tz: ZoneInfo) -> datetime:
    """The instant (UTC) whose wall time in the zone is that of ``instant``, ``days`` calendar days later.

    Gap and fold are decided as in resolve_wall_time; on a civil date that does not exist it is the first
    instant after that date. A week is therefore 167 to 169 hours where clocks change by one. Only the wall
    time counts, not which of its two passes ``instant`` was in. Raises ValueError for a naive ``instant``.
    """
    start = _utc(instant)
    step = timedelta(days)
    wall = start.astimezone(tz) + step
    later = start + step
    # Nearly always the same number of hours is right, and asking the zone what its clocks show then proves it
    # at a third of the cost of working the wall time back to an instant.
    shown = later.astimezone(tz)
    if shown == wall and not shown.fold:
        return later
    return _resolve(wall).instant


def civil_date(instant: datetime, tz: ZoneInfo) -> date:
    """The date on the zone's calendar at that instant. Raises ValueError for a naive ``instant``."""
    return _utc(instant).astimezone(tz).date()


@lru_cache(maxsize=16384)
def start_of_date(day: date, tz: ZoneInfo) -> datetime | None:
    """The first instant of the civil date, which need not be 00:00; None for a date the zone never had."""
    begun = resolve_wall_time(day, time(0), tz)
    return None if begun is None else begun.instant


@lru_cache(maxsize=16384)
def end_of_date(day: date, tz: ZoneInfo) -> datetime:
    """The first instant of the next civil date there is."""
    day += timedelta(1)
    while (start := start_of_date(day, tz)) is None:
        day += timedelta(1)
    return start


def date_begun(instant: datetime, tz: ZoneInfo) -> date:
    """The civil date that began last; as ``civil_date``, but where clocks go back over midnight it does not."""
    day = civil_date(instant, tz)
    return day + timedelta(1) if end_of_date(day, tz) <= instant else day


def _utc(instant: datetime) -> datetime:
    if instant.tzinfo is UTC:
        return instant
    # astimezone would take a naive datetime for the machine's local time and say nothing.
    if instant.tzinfo is None:
        raise ValueError("an instant without a time zone names no moment; pass an aware datetime")
    return instant.astimezone(UTC)


def _resolve(wall: datetime) -> Resolved:
    # PEP 495: around a change of offset, fold 0 reads a wall time with the offset before it, fold 1 with
    # the one after it; the offset grows over a gap and shrinks over a fold.
    before, after = _offsets(wall)
    if before < after:
        return Resolved(_end_of_gap(wall), "gap")
    return Resolved(wall.astimezone(UTC), "fold" if before > after else None)


def _offsets(wall: datetime) -> tuple[timedelta, timedelta]:
    before, after = wall.utcoffset(), wall.replace(fold=1).utcoffset()
    assert before is not None
    assert after is not None
    return before, after


def _end_of_gap(wall: datetime) -> datetime:
    before, after = _offsets(wall)
    naive = wall.replace(tzinfo=None)
    # Read with the later offset the skipped time lies before the change, read with the earlier one after it.
    early, late = (_seconds(naive - offset) for offset in (after, before))
    while late - early > 1:
        middle = (early + late) // 2
        if datetime.fromtimestamp(middle, wall.tzinfo).replace(tzinfo=None) > naive:
            late = middle
        else:
            early = middle
    return datetime.fromtimestamp(late, UTC)


def _seconds(utc: datetime) -> int:
    return int(utc.replace(tzinfo=UTC).timestamp())


def _skips_whole_date(wall: datetime, resumed: datetime) -> bool:
    before, after = _offsets(wall)
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    gap_end = resumed.replace(tzinfo=None)
    gap_start = gap_end - (after - before)
    return gap_start <= midnight and gap_end >= midnight + timedelta(days=1)
