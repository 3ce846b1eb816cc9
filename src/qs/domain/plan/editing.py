"""What an edited plan means for one live enrollment: matched by seq, opened and finished tasks never move."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from qs.domain.kernel.ids import IdGenerator
from qs.domain.plan.enrollment import Enrollment, EnrollmentStatus, make_tasks
from qs.domain.plan.plan import AssessmentPlan, PlanStatus
from qs.domain.plan.planning import PlannedOccasion, unopenable, windows
from qs.domain.plan.task import AssessmentTask, TaskStatus
from qs.domain.plan.terms import CatchUp

Action = Literal["reschedule", "create", "cancel"]


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one task; instants are None where there is none before or after."""

    task_id: UUID
    enrollment_id: UUID
    seq: int
    action: Action
    before: datetime | None
    after: datetime | None


@dataclass(slots=True)
class Revision:
    """The outcome for one enrollment: which tasks changed, which are new, and the list to show."""

    changed: list[AssessmentTask]
    created: list[AssessmentTask]
    changes: list[Change]


def revise(
    plan: AssessmentPlan,
    enrollment: Enrollment,
    tasks: Sequence[AssessmentTask],
    zone_name: str,
    now: datetime,
    by: str,
    new_id: IdGenerator,
) -> Revision:
    """Applies the plan's present schedule and terms to a live enrollment's tasks (those not dropped).

    Pending tasks are rescheduled, missing occasions created, pending tasks of dropped occasions canceled
    (``schedule_edited``), and what could never be opened any more canceled (``late_edit``). A pinned task keeps
    its instant, and one whose window had closed before and does not move is left to be missed. The
    enrollment's count follows, and it closes when nothing is left.
    """
    occasions = enrollment.occasions(plan, zone_name)
    by_seq = {task.seq: task for task in tasks if not task.dropped}
    targets = {o.seq: target for o in occasions if (target := _target(plan, o, by_seq.get(o.seq)))}
    late = _late(plan, enrollment, targets, by_seq, now)
    revision = Revision([], [], [])
    for seq, target in targets.items():
        task = by_seq.get(seq)
        if task is None:
            _create(plan, enrollment, target, zone_name, seq in late, now, new_id, revision)
        else:
            _reschedule(plan, task, target, zone_name, seq in late, now, by, revision)
    planned = {occasion.seq for occasion in occasions}
    for seq, task in by_seq.items():
        if seq not in planned and task.status is TaskStatus.PENDING:
            _drop(task, now, by, revision)
    enrollment.tasks_left += sum(task.is_live for task in revision.created)
    enrollment.settle(sum(not task.is_live for task in revision.changed), now)
    return revision


def _target(
    plan: AssessmentPlan, occasion: PlannedOccasion, task: AssessmentTask | None
) -> PlannedOccasion | None:
    """Where the occasion's task shall be; None for one that does not move any more."""
    if task is None:
        return occasion
    if task.status is not TaskStatus.PENDING:
        return None
    if not task.pinned:
        return occasion
    due_at, closes_at = windows(task.planned_at, plan.terms, task.timezone)
    return replace(occasion, planned_at=task.planned_at, due_at=due_at, closes_at=closes_at)


def _late(
    plan: AssessmentPlan,
    enrollment: Enrollment,
    targets: Mapping[int, PlannedOccasion],
    by_seq: Mapping[int, AssessmentTask],
    now: datetime,
) -> frozenset[int]:
    stay = {seq: t for seq, t in by_seq.items() if _stays_closed(t, targets.get(seq), now)}
    landing = [target for seq, target in targets.items() if seq not in stay]
    # Where nothing is opened nothing is missed either, so a pause makes nothing late.
    if plan.status is not PlanStatus.ACTIVE or enrollment.status is not EnrollmentStatus.ACTIVE:
        return unopenable(landing, replace(plan.terms, catch_up=CatchUp.ALL), now)
    decided = [t for t in by_seq.values() if t.status not in (TaskStatus.PENDING, TaskStatus.CANCELED)]
    return unopenable(
        landing, plan.terms, now, [(task.planned_at, task.seq) for task in (*decided, *stay.values())]
    )


def _stays_closed(task: AssessmentTask, target: PlannedOccasion | None, now: datetime) -> bool:
    return (
        target is not None
        and (target.planned_at, target.closes_at) == (task.planned_at, task.closes_at)
        and target.closes_at is not None
        and now >= target.closes_at
    )


def _create(
    plan: AssessmentPlan,
    enrollment: Enrollment,
    occasion: PlannedOccasion,
    zone_name: str,
    is_late: bool,
    now: datetime,
    new_id: IdGenerator,
    revision: Revision,
) -> None:
    (task,) = make_tasks(plan, enrollment, [occasion], zone_name, now, new_id)
    if is_late:
        task.skip_at_birth("late_edit", now)
    revision.created.append(task)
    revision.changes.append(Change(task.id, enrollment.id, task.seq, "create", None, task.planned_at))


def _reschedule(
    plan: AssessmentPlan,
    task: AssessmentTask,
    target: PlannedOccasion,
    zone_name: str,
    is_late: bool,
    now: datetime,
    by: str,
    revision: Revision,
) -> None:
    before = task.planned_at
    revision.changed.append(task)
    if is_late:
        task.cancel("late_edit", now, by)
        revision.changes.append(Change(task.id, task.enrollment_id, task.seq, "cancel", before, None))
        return
    zone_name = task.timezone if task.pinned else zone_name
    instants = (target.planned_at, target.due_at, target.closes_at)
    if task.move(*instants, now, timezone=zone_name, revision=plan.revision, by=by):
        revision.changes.append(
            Change(task.id, task.enrollment_id, task.seq, "reschedule", before, task.planned_at)
        )


def _drop(task: AssessmentTask, now: datetime, by: str, revision: Revision) -> None:
    task.cancel("schedule_edited", now, by)
    task.dropped = True
    revision.changed.append(task)
    revision.changes.append(Change(task.id, task.enrollment_id, task.seq, "cancel", task.planned_at, None))
