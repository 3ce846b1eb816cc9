"""On some days of the week, at one or more times."""

from qs.domain.scheduler.triggers.bits import listed
from qs.domain.scheduler.triggers.clock_times import read_times, times_text
from qs.domain.scheduler.triggers.cron_fields import DAY_OF_WEEK, WEEKDAYS, FieldFault, numbers
from qs.domain.scheduler.triggers.days import Days, DaysOfWeek
from qs.domain.scheduler.triggers.spec import TriggerInvalid, TriggerKind, quoted
from qs.domain.scheduler.triggers.trigger import Reading
from qs.domain.scheduler.triggers.wall_trigger import WallTrigger


def read(reading: Reading) -> WallTrigger:
    """The trigger of ``MON,FRI 09:00`` or ``MON-FRI 09:00,18:00``. Raises TriggerInvalid."""
    named, _, clock = reading.spec.schedule.partition(" ")
    if ":" in named:
        raise TriggerInvalid.at(
            "/schedule",
            f"day of week is missing before {quoted(named)}; write days and times such as MON,FRI 09:00",
        )
    weekdays, faults = _read_weekdays(named.upper(), reading)
    times, wrong_times = read_times(clock)
    faults += wrong_times
    if times is None or faults:
        raise TriggerInvalid.at("/schedule", *faults)
    return WallTrigger.of(
        TriggerKind.WEEKLY,
        f"{','.join(WEEKDAYS[weekday] for weekday in listed(weekdays))} {times_text(times)}",
        reading.timezone,
        Days(of_week=DaysOfWeek(weekdays), calendar=reading.calendar),
        times,
    )


def _read_weekdays(named: str, reading: Reading) -> tuple[int, list[str]]:
    if set("*/H?") & set(named.replace("THU", "")):
        return 0, [
            f"day of week {quoted(named)} is not a list of days; write names or ranges such as MON-FRI,SUN"
        ]
    try:
        return numbers(DAY_OF_WEEK, named, reading.job_id), []
    except FieldFault as fault:
        return 0, [str(fault)]
