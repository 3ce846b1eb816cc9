"""On some days of each month, counted from either end, at one or more times."""

import re

from qs.domain.scheduler.triggers.bits import listed
from qs.domain.scheduler.triggers.clock_times import read_times, times_text
from qs.domain.scheduler.triggers.days import Days, DaysOfMonth
from qs.domain.scheduler.triggers.spec import TriggerInvalid, TriggerKind, quoted
from qs.domain.scheduler.triggers.trigger import Reading
from qs.domain.scheduler.triggers.wall_trigger import WallTrigger

_DAY = re.compile(r"(-?)([0-9]{1,2})")


def read(reading: Reading) -> WallTrigger:
    """The trigger of ``1,15,L 03:00``; -1 is the last day like L, -2 the one before. Raises TriggerInvalid."""
    written, _, clock = reading.spec.schedule.partition(" ")
    numbers = from_end = 0
    faults: list[str] = []
    for entry in written.upper().split(","):
        match = _DAY.fullmatch("-1" if entry == "L" else entry)
        if match is None or not 1 <= int(match[2]) <= 31:
            faults.append(
                f"day of month {quoted(entry)} is not in 1 to 31, L or -1 to -31; write days such as 1,15,L 03:00, "
                "or use a cron job"
            )
        elif match[1]:
            from_end |= 1 << int(match[2]) - 1
        else:
            numbers |= 1 << int(match[2])
    times, wrong_times = read_times(clock)
    faults += wrong_times
    if times is None or faults:
        raise TriggerInvalid.at("/schedule", *faults)
    days = DaysOfMonth(numbers, from_end, clamp=reading.spec.missing == "clamp")
    return WallTrigger.of(
        TriggerKind.MONTHLY,
        f"{_text(days)} {times_text(times)}",
        reading.timezone,
        Days(of_month=days, calendar=reading.calendar),
        times,
    )


def _text(days: DaysOfMonth) -> str:
    back = ("L" if before == 0 else f"-{before + 1}" for before in listed(days.from_end))
    return ",".join([*(str(number) for number in listed(days.numbers)), *back])
