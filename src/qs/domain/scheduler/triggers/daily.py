"""Every day at one or more times."""

from qs.domain.scheduler.triggers.clock_times import read_times, times_text
from qs.domain.scheduler.triggers.days import Days
from qs.domain.scheduler.triggers.spec import TriggerInvalid, TriggerKind
from qs.domain.scheduler.triggers.trigger import Reading
from qs.domain.scheduler.triggers.wall_trigger import WallTrigger


def read(reading: Reading) -> WallTrigger:
    """The trigger of ``02:00`` or ``02:00,14:30``. Raises TriggerInvalid."""
    times, faults = read_times(reading.spec.schedule)
    if times is None or faults:
        raise TriggerInvalid.at("/schedule", *faults)
    days = Days(calendar=reading.calendar)
    return WallTrigger.of(TriggerKind.DAILY, times_text(times), reading.timezone, days, times)
