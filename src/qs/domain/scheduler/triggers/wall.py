"""Wall times that recur, and the instants they mean in a zone: once each, or whenever clocks show them.

Wall times are counted in seconds since 1970-01-01 00:00 by the wall clock, instants in seconds since the epoch.
"""

from dataclasses import dataclass, replace
from typing import Protocol
from zoneinfo import ZoneInfo

from qs.domain.scheduler.triggers.days import Days
from qs.domain.scheduler.triggers.stretches import (
    DAY,
    FIRST_INSTANT,
    LAST_INSTANT,
    MARGIN,
    Stretch,
    stretch_at,
)
from qs.domain.scheduler.triggers.times import Times
from qs.domain.scheduler.triggers.trigger import Dst

# A job may ask for what its zone skips every year, as 02:30 on the second Sunday of March in New York. It is given up
# after about 400 years, of a few tries each.
_TRIES = 1_200


@dataclass(frozen=True, slots=True)
class WallTimes:
    """Every time of ``times`` on every date of ``days``."""

    days: Days
    times: Times

    def first_from(self, wall: int) -> int | None:
        """The first of them that is ``wall`` or later."""
        today, second = divmod(wall, DAY)
        day = self.days.first_from(today)
        if day == today:
            if (found := self.times.first_from(second)) >= 0:
                return today * DAY + found
            day = self.days.first_from(today + 1)
        return None if day is None else day * DAY + self.times.first

    def last_to(self, wall: int) -> int | None:
        """The last of them that is ``wall`` or earlier."""
        today, second = divmod(wall, DAY)
        day = self.days.last_to(today)
        if day == today:
            if (found := self.times.last_to(second)) >= 0:
                return today * DAY + found
            day = self.days.last_to(today - 1)
        return None if day is None else day * DAY + self.times.last


class Clock(Protocol):
    """Turns recurring wall times into instants."""

    def first_from(self, instant: int) -> int | None:
        """The first slot that is ``instant`` or later."""
        ...

    def last_to(self, instant: int) -> int | None:
        """The last slot that is ``instant`` or earlier."""
        ...

    def dst(self, slot: int) -> Dst | None: ...

    def of(self, wall_times: WallTimes) -> "Clock":
        """The same clock for other wall times."""
        ...


@dataclass(frozen=True, slots=True)
class OnceEach:
    """One slot per wall time: the first instant at which clocks show it or, where they skip it, a later one.

    Wall times that move to the same instant are one slot, and a date the zone never had (2011-12-30 in
    Pacific/Apia) has none. Later wall times never give earlier slots.
    """

    wall_times: WallTimes
    tz: ZoneInfo

    def first_from(self, instant: int) -> int | None:
        if instant >= LAST_INSTANT:
            return None
        here = stretch_at(self.tz, max(instant, FIRST_INSTANT))
        # Up to here every wall time has been shown before the stretch began; in a second pass that is later than
        # what clocks show now.
        fresh = here.begin + here.earlier
        wall = self.wall_times.first_from(
            fresh if instant == here.begin else max(instant + here.offset, fresh)
        )
        while wall is not None and (slot := self._slot(wall, here)) is None:
            wall = self.wall_times.first_from((wall // DAY + 1) * DAY)
        return None if wall is None else slot

    def last_to(self, instant: int) -> int | None:
        if instant < FIRST_INSTANT:
            return None
        here = stretch_at(self.tz, min(instant, LAST_INSTANT))
        wall = self.wall_times.last_to(max(instant + here.offset, here.begin + here.earlier - 1))
        while wall is not None and (slot := self._slot(wall, here)) is None:
            wall = self.wall_times.last_to(wall // DAY * DAY - 1)
        return None if wall is None else slot

    def dst(self, slot: int) -> Dst | None:
        here = stretch_at(self.tz, slot)
        shown = slot + here.offset
        if slot == here.begin and here.offset > here.earlier and self.wall_times.first_from(shown) != shown:
            return "shifted"
        return "first" if shown >= here.end + stretch_at(self.tz, here.end).offset else None

    def of(self, wall_times: WallTimes) -> "OnceEach":
        return replace(self, wall_times=wall_times)

    def _slot(self, wall: int, here: Stretch) -> int | None:
        # Most wall times asked for are of the stretch at hand; one that was shown before it began is not.
        if wall < here.begin + here.earlier or not here.begin <= wall - here.offset < here.end:
            here = stretch_at(self.tz, wall - here.offset - MARGIN)
            while wall - here.offset >= here.end:
                here = stretch_at(self.tz, here.end)
        if (slot := wall - here.offset) >= here.begin:
            return slot
        midnight = wall // DAY * DAY
        is_lost_date = here.begin + here.earlier <= midnight and midnight + DAY <= here.begin + here.offset
        return None if is_lost_date else here.begin


@dataclass(frozen=True, slots=True)
class WheneverShown:
    """A slot whenever clocks show one of the wall times: none where they skip it, two where it comes twice."""

    wall_times: WallTimes
    tz: ZoneInfo

    def first_from(self, instant: int) -> int | None:
        for _ in range(_TRIES):
            if instant >= LAST_INSTANT:
                return None
            here = stretch_at(self.tz, max(instant, FIRST_INSTANT))
            if (wall := self.wall_times.first_from(instant + here.offset)) is None:
                return None
            if (slot := wall - here.offset) < here.end:
                return slot
            # From two days into the stretch on clocks show nothing that was not looked at just now, until they
            # come near this wall time.
            instant = here.end if here.end - instant < MARGIN else max(here.end, slot - MARGIN)
        return None

    def last_to(self, instant: int) -> int | None:
        for _ in range(_TRIES):
            if instant < FIRST_INSTANT:
                return None
            here = stretch_at(self.tz, min(instant, LAST_INSTANT))
            if (wall := self.wall_times.last_to(instant + here.offset)) is None:
                return None
            if (slot := wall - here.offset) >= here.begin:
                return slot
            instant = here.begin - 1 if instant - here.begin < MARGIN else min(here.begin - 1, slot + MARGIN)
        return None

    def dst(self, slot: int) -> Dst | None:
        return None

    def of(self, wall_times: WallTimes) -> "WheneverShown":
        return replace(self, wall_times=wall_times)
