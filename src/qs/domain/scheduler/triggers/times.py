"""When on a day: wall times of day in seconds, as fields of a cron expression or as a list."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import time
from itertools import product
from typing import Protocol

from qs.domain.scheduler.triggers.bits import first_from, last_to, listed


class Times(Protocol):
    """A set of times of day, each in seconds since 00:00 by the wall clock; never empty."""

    @property
    def first(self) -> int: ...

    @property
    def last(self) -> int: ...

    def first_from(self, second: int) -> int:
        """The earliest that is ``second`` or later; -1 if there is none."""
        ...

    def last_to(self, second: int) -> int:
        """The latest that is ``second`` or earlier; -1 if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class FieldTimes:
    """Every combination of these hours, minutes and seconds (sets of bits.py)."""

    hours: int
    minutes: int
    seconds: int

    @property
    def first(self) -> int:
        return first_from(self.hours, 0) * 3600 + self._first_in_hour

    @property
    def last(self) -> int:
        return last_to(self.hours, 23) * 3600 + self._last_in_hour

    def first_from(self, second: int) -> int:
        hour, rest = divmod(second, 3600)
        if self.hours >> hour & 1:
            minute, rest = divmod(rest, 60)
            if self.minutes >> minute & 1 and (found := first_from(self.seconds, rest)) >= 0:
                return hour * 3600 + minute * 60 + found
            if (minute := first_from(self.minutes, minute + 1)) >= 0:
                return hour * 3600 + minute * 60 + first_from(self.seconds, 0)
        hour = first_from(self.hours, hour + 1)
        return -1 if hour < 0 else hour * 3600 + self._first_in_hour

    def last_to(self, second: int) -> int:
        hour, rest = divmod(second, 3600)
        if self.hours >> hour & 1:
            minute, rest = divmod(rest, 60)
            if self.minutes >> minute & 1 and (found := last_to(self.seconds, rest)) >= 0:
                return hour * 3600 + minute * 60 + found
            if minute and (minute := last_to(self.minutes, minute - 1)) >= 0:
                return hour * 3600 + minute * 60 + last_to(self.seconds, 59)
        hour = last_to(self.hours, hour - 1) if hour else -1
        return -1 if hour < 0 else hour * 3600 + self._last_in_hour

    def listed(self) -> list[int]:
        """All of them in order."""
        fields = product(listed(self.hours), listed(self.minutes), listed(self.seconds))
        return [hour * 3600 + minute * 60 + second for hour, minute, second in fields]

    @property
    def _first_in_hour(self) -> int:
        return first_from(self.minutes, 0) * 60 + first_from(self.seconds, 0)

    @property
    def _last_in_hour(self) -> int:
        return last_to(self.minutes, 59) * 60 + last_to(self.seconds, 59)


@dataclass(frozen=True, slots=True)
class ListedTimes:
    """These times, in order and each once; made by ``of``."""

    seconds: tuple[int, ...]

    @classmethod
    def of(cls, times: Iterable[time]) -> "ListedTimes":
        return cls(tuple(sorted({at.hour * 3600 + at.minute * 60 + at.second for at in times})))

    @property
    def first(self) -> int:
        return self.seconds[0]

    @property
    def last(self) -> int:
        return self.seconds[-1]

    def first_from(self, second: int) -> int:
        index = bisect_left(self.seconds, second)
        return self.seconds[index] if index < len(self.seconds) else -1

    def last_to(self, second: int) -> int:
        index = bisect_right(self.seconds, second)
        return self.seconds[index - 1] if index else -1


def clock_text(second: int) -> str:
    """``09:00``, or ``09:00:30`` where seconds count."""
    return time(second // 3600, second // 60 % 60, second % 60).isoformat(
        "seconds" if second % 60 else "minutes"
    )
