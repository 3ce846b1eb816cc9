"""The civil dates that figures are counted on: those of the tenant's zone, which may change."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from qs.domain.kernel.zones import date_begun, end_of_date, start_of_date, zone

_DAY = timedelta(days=1)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""Since when the first zone of a tenant counts: before everything there is."""


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` on, dates are those of this zone."""

    since: datetime
    timezone: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """A half-open range of instants that lie on one civil date.

    A date is one stretch, but for those around a change of the tenant's zone.
    """

    start: datetime
    end: datetime
    day: date


class TenantCalendar:
    """Which civil date an instant lies on, the same for an event and for a recount of the tasks.

    ``periods`` ascend; the first reaches back to the beginning.
    """

    def __init__(self, periods: Sequence[Period]) -> None:
        assert periods, "a tenant has always had a zone"
        self._periods = tuple(periods)
        self._since = [period.since for period in periods]

    def timezone_at(self, instant: datetime) -> str:
        return self._period_at(instant).timezone

    def date_of(self, instant: datetime) -> date:
        """The civil date at that instant, a day of 23 or 25 hours being one date."""
        return date_begun(instant, zone(self.timezone_at(instant)))

    def stretches(self, since: datetime, until: datetime) -> list[Stretch]:
        """All stretches from that with ``since`` to that with ``until``, ascending and without a gap."""
        found: list[Stretch] = []
        at = since
        while not found or at <= until:
            stretch = self._stretch_at(at)
            found.append(stretch)
            at = stretch.end
        return found

    def stretches_of(self, days: Sequence[date]) -> list[Stretch]:
        """The stretches that make up the given dates, ascending; none for a date that the zone never had."""
        if not days:
            return []
        wanted = frozenset(days)
        # Zones differ by up to 26 hours, so that much around a date it may still be that date somewhere.
        since = datetime.combine(min(days), time(0), UTC) - 2 * _DAY
        until = datetime.combine(max(days), time(0), UTC) + 2 * _DAY
        return [stretch for stretch in self.stretches(since, until) if stretch.day in wanted]

    def _period_at(self, instant: datetime) -> Period:
        return self._periods[max(bisect_right(self._since, instant) - 1, 0)]

    def _stretch_at(self, instant: datetime) -> Stretch:
        index = max(bisect_right(self._since, instant) - 1, 0)
        tz = zone(self._periods[index].timezone)
        day = date_begun(instant, tz)
        start, end = start_of_date(day, tz), end_of_date(day, tz)
        assert start is not None
        if index > 0:
            start = max(start, self._since[index])
        if index + 1 < len(self._since):
            end = min(end, self._since[index + 1])
        return Stretch(start, end, day)
