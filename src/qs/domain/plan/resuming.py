"""What resuming after a pause does to one enrollment's pending tasks."""

from collections.abc import Sequence
from datetime import datetime

from qs.domain.kernel.zones import add_civil_days, civil_date, zone
from qs.domain.plan.enrollment import Enrollment
from qs.domain.plan.plan import AssessmentPlan, ResumePolicy
from qs.domain.plan.planning import windows
from qs.domain.plan.schedule import Shift
from qs.domain.plan.task import AssessmentTask, TaskStatus


def resume_tasks(
    plan: AssessmentPlan,
    enrollment: Enrollment,
    tasks: Sequence[AssessmentTask],
    policy: ResumePolicy,
    paused_at: datetime,
    now: datetime,
    by: str,
) -> list[AssessmentTask]:
    """Applies the policy to the enrollment's tasks; returns those it changed.

    ``keep`` leaves everything to the next sweep; ``skip`` cancels what fell into the pause; ``shift`` moves
    what was to come by the whole civil days the pause lasted: in the zone the enrollment is planned in, and for a
    pinned task in its own.
    """
    pending = [task for task in tasks if task.status is TaskStatus.PENDING]
    if policy is ResumePolicy.SKIP:
        skipped = [task for task in pending if paused_at <= task.planned_at < now]
        for task in skipped:
            task.cancel("paused", now, by)
        enrollment.settle(len(skipped), now)
        return skipped
    if policy is ResumePolicy.SHIFT:
        return _shift(plan, enrollment, [t for t in pending if t.planned_at >= paused_at], paused_at, now, by)
    return []


def _shift(
    plan: AssessmentPlan,
    enrollment: Enrollment,
    coming: list[AssessmentTask],
    paused_at: datetime,
    now: datetime,
    by: str,
) -> list[AssessmentTask]:
    if not coming:
        return []
    # A pinned task keeps the zone it had when it was pinned, whatever zone the others were planned anew in.
    leading = min(coming, key=lambda task: (task.pinned, task.seq))
    days = _days(paused_at, now, leading.timezone)
    # The rule says from which occasion on the shift holds, since a pinned task may stand anywhere.
    later = [o.seq for o in enrollment.occasions(plan, leading.timezone) if o.planned_at >= paused_at]
    if later and days:
        enrollment.shifts = (*enrollment.shifts, Shift(later[0], days))
    planned = {
        (name, o.seq): o
        for name in {task.timezone for task in coming}
        for o in enrollment.occasions(plan, name)
    }
    moved = []
    for task in coming:
        by_days = _days(paused_at, now, task.timezone) if task.pinned else days
        if by_days == 0:
            continue
        occasion = planned.get((task.timezone, task.seq))
        if task.pinned or occasion is None:
            planned_at = add_civil_days(task.planned_at, by_days, zone(task.timezone))
        else:
            planned_at = occasion.planned_at
        due_at, closes_at = windows(planned_at, plan.terms, task.timezone)
        task.move(planned_at, due_at, closes_at, now, by=by)
        moved.append(task)
    return moved


def _days(paused_at: datetime, now: datetime, zone_name: str) -> int:
    """The whole civil days of the pause on the calendar of the zone."""
    tz = zone(zone_name)
    return (civil_date(now, tz) - civil_date(paused_at, tz)).days
