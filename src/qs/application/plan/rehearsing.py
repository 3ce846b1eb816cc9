"""What a command over a whole plan would do to which task, before it is done; nothing is locked and nothing written."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from qs.application.plan.authoring import Edit
from qs.application.plan.finding import found_plan
from qs.application.plan.ports import PlanUnitOfWork, PlanUnitOfWorkFactory
from qs.application.plan.present import present
from qs.application.plan.steering import Changing, canceling, finishing, resuming
from qs.domain.plan.editing import Change
from qs.domain.plan.errors import StaleVersion
from qs.domain.plan.plan import AssessmentPlan, ResumePolicy
from qs.domain.plan.task import AssessmentTask, TaskStatus

_BATCH = 500


class Steer(StrEnum):
    """The commands of PlanSteering over a plan."""

    PAUSE = "pause"
    RESUME = "resume"
    FINISH = "finish"
    CANCEL = "cancel"


class SteeringRehearsal:
    """Does what PlanSteering would do, in memory. By the time it is done other tasks may have come due or ended."""

    def __init__(self, uow: PlanUnitOfWorkFactory) -> None:
        self._uow = uow

    async def rehearse(
        self,
        tenant_id: UUID,
        plan_id: UUID,
        steer: Steer,
        *,
        actor: str,
        policy: ResumePolicy = ResumePolicy.KEEP,
        version: int | None = None,
    ) -> Edit:
        """The plan as it would be, and what would become of its pending and opened tasks.

        Raises:
            StaleVersion, PlanTransitionRefused
        """
        async with self._uow(tenant_id) as uow:
            plan = await found_plan(uow, plan_id)
            if version is not None and plan.version != version:
                raise StaleVersion
            change = _steered(plan, uow, steer, policy, actor)
            changes = await _each_live(uow, plan.id, change) if change else []
        counts = {"reschedule": 0, "create": 0, "cancel": 0}
        for each in changes:
            counts[each.action] += 1
        return Edit(plan, tuple(changes), counts)


def _steered(
    plan: AssessmentPlan, uow: PlanUnitOfWork, steer: Steer, policy: ResumePolicy, actor: str
) -> Changing | None:
    """Steers the plan; what that does to each enrollment, None where it does nothing."""
    now, paused_at = present(uow.now, [plan.updated_at]), plan.paused_at
    if steer is Steer.FINISH:
        return finishing(actor) if plan.finish(now) else None
    if steer is Steer.CANCEL:
        return canceling(actor) if plan.cancel(now) else None
    if steer is Steer.PAUSE:
        plan.pause(now)
        return None
    if not plan.resume(policy, now) or policy is ResumePolicy.KEEP or paused_at is None:
        return None
    return resuming(plan, policy, paused_at, now, actor)


async def _each_live(uow: PlanUnitOfWork, plan_id: UUID, change: Changing) -> list[Change]:
    changes: list[Change] = []
    after: UUID | None = None
    while batch := await uow.enrollments.live_batch(plan_id, after, _BATCH):
        after = batch[-1]
        tasks: dict[UUID, list[AssessmentTask]] = {}
        known = [task for task in await uow.tasks.of_enrollments(batch) if task.is_live]
        before = {task.id: task.planned_at for task in known}
        now = present(uow.now, (task.moved_at for task in known))
        for task in known:
            tasks.setdefault(task.enrollment_id, []).append(task)
        enrollments = (await uow.enrollments.many(batch)).values()
        for enrollment in enrollments:
            changed = change(enrollment, tasks.get(enrollment.id, []), now)
            changes += [_told(task, before) for task in changed]
    return changes


def _told(task: AssessmentTask, before: Mapping[UUID, datetime]) -> Change:
    is_canceled = task.status is TaskStatus.CANCELED
    return Change(
        task.id,
        task.enrollment_id,
        task.seq,
        "cancel" if is_canceled else "reschedule",
        before[task.id],
        None if is_canceled else task.planned_at,
    )
