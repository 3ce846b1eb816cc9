"""A zone's clock as stretches of constant offset, in whole seconds since the Unix epoch.

Slots are found on these: inside a stretch wall time and elapsed time run alike, and its two ends say exactly
what is skipped and what is shown twice. zones.py answers for one wall time, which is too slow for 10,000 jobs
a second and cannot say where a second pass begins.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAY = 86_400
MARGIN = 2 * DAY
"""More than clocks were ever moved by at once, which is a whole day."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SPAN = 32 * DAY

FIRST_INSTANT = int(datetime(1, 7, 1, tzinfo=UTC).timestamp())
LAST_INSTANT = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp())
"""Datetimes end soon after; nothing is looked for from here on."""


class Stretch(NamedTuple):
    """From ``begin`` to before ``end`` clocks are ``offset`` ahead of UTC, and were ``earlier`` ahead before.

    ``earlier`` equals ``offset`` where nothing changes at ``begin``; an end without a change is two days away
    from every instant the stretch was asked for.
    """

    begin: int
    end: int
    offset: int
    earlier: int


def stretch_at(tz: ZoneInfo, instant: int) -> Stretch:
    """The stretch that ``instant`` lies in."""
    for stretch in _stretches(tz, instant // _SPAN):
        if instant < stretch.end:
            return stretch
    raise AssertionError("the stretches of a span reach beyond it")


def seconds_of(instant: datetime) -> int:
    """Whole seconds since the epoch, rounded down. Raises TypeError for a naive datetime."""
    since = instant - EPOCH
    return since.days * DAY + since.seconds


def instant_of(seconds: int) -> datetime:
    """The aware UTC datetime of that many seconds since the epoch."""
    return EPOCH + timedelta(seconds=seconds)


def in_utc(instant: datetime) -> datetime:
    """The same instant as an aware UTC datetime, on which arithmetic is that of elapsed time. Raises TypeError."""
    return instant if instant.tzinfo is UTC else EPOCH + (instant - EPOCH)


def offset_at(tz: ZoneInfo, instant: int) -> int:
    """How many seconds the zone's clocks are ahead of UTC then."""
    offset = datetime.fromtimestamp(instant, tz).utcoffset()
    assert offset is not None
    return offset.days * DAY + offset.seconds


@lru_cache(maxsize=8192)
def _stretches(tz: ZoneInfo, span: int) -> tuple[Stretch, ...]:
    begin, end = span * _SPAN - MARGIN, (span + 1) * _SPAN + MARGIN
    found: list[Stretch] = []
    earlier = offset = offset_at(tz, begin)
    # No zone changes its clocks twice within a day.
    for day in range(begin, end, DAY):
        if (later := offset_at(tz, day + DAY)) != offset:
            change = _change(tz, day, offset)
            found.append(Stretch(begin, change, offset, earlier))
            begin, earlier, offset = change, offset, later
    return (*found, Stretch(begin, end, offset, earlier))


def _change(tz: ZoneInfo, day: int, offset: int) -> int:
    before, after = day, day + DAY
    while after - before > 1:
        middle = (before + after) // 2
        if offset_at(tz, middle) == offset:
            before = middle
        else:
            after = middle
    return after
