"""Which of a few shapes times of day and days have, so that each language has only shapes to name."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from qs.domain.scheduler.triggers.bits import listed
from qs.domain.scheduler.triggers.cron_fields import HOUR, MINUTE, SECOND
from qs.domain.scheduler.triggers.stretches import DAY
from qs.domain.scheduler.triggers.times import FieldTimes, ListedTimes, Times

_FEW, _MANY = 4, 1_440


@dataclass(frozen=True, slots=True)
class Listed:
    """These times, in seconds of the day."""

    seconds: list[int]


@dataclass(frozen=True, slots=True)
class Stepping:
    """Every ``step`` from ``first`` to ``last``; round the clock if it goes on evenly over midnight."""

    first: int
    last: int
    step: timedelta

    @property
    def round_the_clock(self) -> bool:
        return self.last + self.step.seconds == self.first + DAY


@dataclass(frozen=True, slots=True)
class Spelled:
    """The fields one by one, each as runs of values; None for a field that takes them all."""

    hours: list[tuple[int, int]] | None
    minutes: list[tuple[int, int]] | None
    seconds: list[tuple[int, int]] | None


def rhythm(times: Times) -> Listed | Stepping | Spelled:
    """The shape that says these times in the fewest words."""
    if isinstance(times, FieldTimes):
        return _of_fields(times)
    assert isinstance(times, ListedTimes)
    return Listed(list(times.seconds))


def runs(members: int) -> list[tuple[int, int]]:
    """The members of a set as runs of values that follow one another."""
    found: list[tuple[int, int]] = []
    for value in listed(members):
        if found and found[-1][1] == value - 1:
            found[-1] = (found[-1][0], value)
        else:
            found.append((value, value))
    return found


def _of_fields(times: FieldTimes) -> Listed | Stepping | Spelled:
    count = times.hours.bit_count() * times.minutes.bit_count() * times.seconds.bit_count()
    if count <= _FEW:
        return Listed(times.listed())
    if step := _even_step(times, count):
        return Stepping(times.first, times.last, timedelta(seconds=step))
    if count <= 2 * _FEW:
        return Listed(times.listed())
    fields = ((times.hours, HOUR), (times.minutes, MINUTE), (times.seconds, SECOND))
    return Spelled(*(None if members == field.all else runs(members) for members, field in fields))


def _even_step(times: FieldTimes, count: int) -> int:
    """How many seconds lie between any two that follow one another; 0 if that differs."""
    if count <= _MANY:
        steps = {later - earlier for earlier, later in pairwise(times.listed())}
        return steps.pop() if len(steps) == 1 else 0
    # Too many to look at one by one: even only if seconds are, in every minute of hours that follow one another.
    seconds = listed(times.seconds)
    steps = {later - earlier for earlier, later in pairwise([*seconds, seconds[0] + 60])}
    even = len(steps) == 1 and times.minutes == MINUTE.all and len(runs(times.hours)) == 1
    return steps.pop() if even else 0


def weekday_runs(weekdays: int) -> Iterator[tuple[int, int]]:
    """Runs of weekdays of cron (0 is Sunday) in the order of a week that begins on Monday."""
    from_monday = weekdays >> 1 | (weekdays & 1) << 6
    for first, last in runs(from_monday):
        if last - first == 1:
            yield from (((day + 1) % 7, (day + 1) % 7) for day in (first, last))
        else:
            yield (first + 1) % 7, (last + 1) % 7
