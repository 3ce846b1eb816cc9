"""What resuming after a pause does to one enrollment's pending tasks."""

from collections.abc import Sequence
from datetime import datetime

from qs.domain.kernel.zones import add_civil_days, civil_date, zone
from qs.domain.plan.enrollment import Enrollment
from qs.domain.plan.plan import AssessmentPlan, ResumePolicy
from qs.domain.plan.planning import PlannedOccasion, plan_occasions, windows
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
    what was to come by the whole civil days the pause lasted in the task's zone.
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
    zone_name = coming[0].timezone
    tz = zone(zone_name)
    days = (civil_date(now, tz) - civil_date(paused_at, tz)).days
    if days == 0:
        return []
    # The rule says from which occasion on the shift holds, since a pinned task may stand anywhere.
    later = [o.seq for o in _occasions(plan, enrollment, zone_name) if o.planned_at >= paused_at]
    if later:
        enrollment.shifts = (*enrollment.shifts, Shift(later[0], days))
    planned = {
        (name, o.seq): o
        for name in {task.timezone for task in coming}
        for o in _occasions(plan, enrollment, name)
    }
    for task in coming:
        occasion = planned.get((task.timezone, task.seq))
        if task.pinned or occasion is None:
            planned_at = add_civil_days(task.planned_at, days, zone(task.timezone))
        else:
            planned_at = occasion.planned_at
        due_at, closes_at = windows(planned_at, plan.terms, task.timezone)
        task.move(planned_at, due_at, closes_at, now, by=by)
    return coming


def _occasions(plan: AssessmentPlan, enrollment: Enrollment, zone_name: str) -> tuple[PlannedOccasion, ...]:
    return plan_occasions(plan.schedule, plan.terms, zone_name, enrollment.start_date, enrollment.shifts)
