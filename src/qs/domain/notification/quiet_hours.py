"""Hours in which people are left alone, by the clocks of their own zone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from qs.domain.kernel.zones import resolve_wall_time, zone

_WRITTEN = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_AHEAD = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From ``begin`` up to, and without, ``end``, which may lie on the next day.

    What the wall clock shows decides: an hour that clocks show twice is quiet twice, one that they skip never comes.
    """

    begin: time
    end: time

    @classmethod
    def parse(cls, text: str) -> "QuietHours":
        """Those written as ``21:00-08:00``. Raises ValueError for any other text, and for a begin that is the end."""
        found = _WRITTEN.fullmatch(text)
        if found is None or found[1] + found[2] == found[3] + found[4]:
            raise ValueError(f"{text!r} are no quiet hours; write them such as 21:00-08:00")
        begin_hour, begin_minute, end_hour, end_minute = (int(each) for each in found.groups())
        return cls(time(begin_hour, begin_minute), time(end_hour, end_minute))

    def covers(self, instant: datetime, zone_name: str) -> bool:
        """Whether it is quiet in that zone at that instant."""
        shown = instant.astimezone(zone(zone_name)).time()
        if self.begin < self.end:
            return self.begin <= shown < self.end
        return shown >= self.begin or shown < self.end

    def held_until(self, now: datetime, zone_name: str, dies_at: datetime | None) -> datetime | None:
        """The instant (UTC) at which what would go out now goes out instead; None for at once.

        That is the end of the quiet hours. What is of no use any more by then (``dies_at``) is not held back: a message
        at night is better than none.
        """
        if not self.covers(now, zone_name):
            return None
        ends_at = self._end_after(now, zone_name)
        return None if dies_at is not None and dies_at <= ends_at else ends_at

    def planned(
        self, at: datetime, zone_name: str, *, earliest: datetime, dies_at: datetime | None
    ) -> datetime:
        """When to send what is wanted ``at`` an instant to come.

        As it is outside of quiet hours; else when they end, or shortly before they begin where it would be of no use
        any more by then; never before ``earliest``.
        """
        if not self.covers(at, zone_name):
            return at
        ends_at = self._end_after(at, zone_name)
        if dies_at is None or ends_at < dies_at:
            return ends_at
        return max(earliest, min(at, self._begin_before(at, zone_name) - _AHEAD))

    def _end_after(self, instant: datetime, zone_name: str) -> datetime:
        ends = _shown_at(instant, self.end, zone_name)
        return min(each for each in ends if each > instant and not self.covers(each, zone_name))

    def _begin_before(self, instant: datetime, zone_name: str) -> datetime:
        return max(each for each in _shown_at(instant, self.begin, zone_name) if each <= instant)


def _shown_at(around: datetime, shown: time, zone_name: str) -> Iterator[datetime]:
    """The instants of the days around at which clocks show that time; the end of the gap where they skip it."""
    tz = zone(zone_name)
    today = around.astimezone(tz).date()
    for days in range(-2, 4):
        day = today + timedelta(days)
        resolved = resolve_wall_time(day, shown, tz)
        if resolved is None:
            continue
        yield resolved.instant
        if resolved.flag == "fold":
            yield datetime.combine(day, shown, tz).replace(fold=1).astimezone(UTC)
