"""Whether enrolling somebody again means an enrollment that exists already or the next round."""

from collections.abc import Sequence
from datetime import date

from qs.domain.plan.enrollment import Enrollment
from qs.domain.plan.errors import StartDateDiffers
from qs.domain.plan.schedule import Schedule, ScheduleType


def enrollment_meant(
    schedule: Schedule, rounds: Sequence[Enrollment], start_date: date, *, new_round: bool
) -> Enrollment | None:
    """The enrollment that this call repeats; None when it opens the next round (``len(rounds) + 1``).

    The live one comes first. Without one it is the newest of that start date, unless a new round is asked
    for. Where the plan's dates are fixed, the start date tells nothing apart.

    Raises:
        StartDateDiffers: the testee follows the plan from another date.
    """
    any_date = schedule.schedule_type is ScheduleType.FIXED_DATE
    live = next((e for e in rounds if e.is_live), None)
    if live is not None:
        if any_date or live.start_date == start_date:
            return live
        raise StartDateDiffers(live.start_date)
    if new_round:
        return None
    return next((e for e in reversed(rounds) if any_date or e.start_date == start_date), None)
