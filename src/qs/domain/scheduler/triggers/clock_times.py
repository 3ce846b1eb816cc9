"""Times of day as users list them: ``02:00`` or ``02:00,14:30:15``."""

import re
from datetime import time

from qs.domain.scheduler.triggers.spec import quoted
from qs.domain.scheduler.triggers.times import ListedTimes, clock_text

_TIME = re.compile(r"([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?")


def read_times(text: str) -> tuple[ListedTimes | None, list[str]]:
    """The times, and what is wrong with each that is none; without any there are no times."""
    times: list[time] = []
    faults: list[str] = []
    for entry in text.split(","):
        match = _TIME.fullmatch(entry.strip(" \t"))
        if match is None:
            faults.append(
                f"time {quoted(entry)} is not understood; write HH:MM or HH:MM:SS, several with commas"
            )
            continue
        hour, minute, second = (int(part or 0) for part in match.groups())
        if hour > 23 or minute > 59 or second > 59:
            faults.append(f"time {quoted(entry)} is not in 00:00 to 23:59:59; write 00:00 for midnight")
            continue
        times.append(time(hour, minute, second))
    return (ListedTimes.of(times) if times else None), faults


def times_text(times: ListedTimes) -> str:
    """How users write them, in order."""
    return ",".join(clock_text(second) for second in times.seconds)
