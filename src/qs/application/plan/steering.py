"""Commands over a whole plan or one enrollment: pause, resume, finish, cancel, terminate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from qs.application.kernel.quotas import require_room
from qs.application.plan.finding import TesteeRef, found_enrollment, found_plan, found_testee
from qs.application.plan.ports import Lock, PlanUnitOfWork, PlanUnitOfWorkFactory
from qs.application.plan.present import present
from qs.application.plan.saving import save_tasks
from qs.domain.kernel.quotas import Quota
from qs.domain.plan.enrollment import Enrollment, EnrollmentStatus
from qs.domain.plan.errors import StaleVersion
from qs.domain.plan.plan import AssessmentPlan, ResumePolicy
from qs.domain.plan.resuming import resume_tasks
from qs.domain.plan.task import AssessmentTask

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Termination:
    """The enrollment that was ended (None where the testee had no live one) and how many tasks it canceled.

    ``changed`` says whether it was this that ended it, and not somebody else a moment before.
    """

    enrollment: Enrollment | None
    canceled: int
    changed: bool = False


class PlanSteering:
    """Each command is one transaction over plan, enrollments, tasks and events; repeating one is a success."""

    def __init__(self, uow: PlanUnitOfWorkFactory) -> None:
        self._uow = uow

    async def pause(
        self, tenant_id: UUID, plan_id: UUID, *, actor: str, version: int | None = None
    ) -> AssessmentPlan:
        async with self._uow(tenant_id) as uow:
            plan, now = await _locked(uow, plan_id, version)
            if plan.pause(now):
                await _save(uow, plan, "plan.paused", actor)
        return plan

    async def resume(
        self,
        tenant_id: UUID,
        plan_id: UUID,
        policy: ResumePolicy,
        *,
        actor: str,
        version: int | None = None,
    ) -> AssessmentPlan:
        """Enrollments that were paused by themselves are left alone. Raises QuotaReached."""
        async with self._uow(tenant_id) as uow:
            plan, now = await _locked(uow, plan_id, version)
            paused_at = plan.paused_at
            if plan.resume(policy, now):
                assert paused_at is not None
                await require_room(uow.quotas, Quota.ACTIVE_PLANS, uow.plans.count_active)
                if policy is not ResumePolicy.KEEP:
                    await _each_live(uow, plan.id, resuming(plan, policy, paused_at, now, actor))
                await _save(uow, plan, "plan.resumed", actor, policy=policy.value)
        return plan

    async def finish(
        self, tenant_id: UUID, plan_id: UUID, *, actor: str, version: int | None = None
    ) -> AssessmentPlan:
        """What is still pending or opened is canceled (``plan_finished``); every enrollment closes."""
        async with self._uow(tenant_id) as uow:
            plan, now = await _locked(uow, plan_id, version)
            if plan.finish(now):
                await _each_live(uow, plan.id, finishing(actor))
                await _save(uow, plan, "plan.finished", actor)
        return plan

    async def cancel(
        self, tenant_id: UUID, plan_id: UUID, *, actor: str, version: int | None = None
    ) -> AssessmentPlan:
        """What is still pending or opened is canceled (``plan_canceled``); every enrollment is terminated."""
        async with self._uow(tenant_id) as uow:
            plan, now = await _locked(uow, plan_id, version)
            if plan.cancel(now):
                await _each_live(uow, plan.id, canceling(actor))
                await _save(uow, plan, "plan.canceled", actor)
        return plan

    async def pause_enrollment(self, tenant_id: UUID, enrollment_id: UUID, *, actor: str) -> Enrollment:
        async with self._uow(tenant_id) as uow:
            enrollment, _, plan = await _locked_enrollment(uow, enrollment_id)
            if enrollment.pause(plan, present(uow.now, [enrollment.resumed_at or enrollment.created_at])):
                await save_tasks(uow, [], [enrollment])
                await uow.audit.add("enrollment.paused", "enrollment", enrollment.id, actor=actor)
                await uow.commit("enrollment.pause")
        return enrollment

    async def resume_enrollment(
        self, tenant_id: UUID, enrollment_id: UUID, policy: ResumePolicy, *, actor: str
    ) -> Enrollment:
        async with self._uow(tenant_id) as uow:
            enrollment, tasks, plan = await _locked_enrollment(uow, enrollment_id)
            paused_at = enrollment.paused_at
            now = present(uow.now, [paused_at])
            if enrollment.resume(policy, plan, now):
                assert paused_at is not None
                changed = resume_tasks(plan, enrollment, tasks, policy, paused_at, now, actor)
                await save_tasks(uow, changed, [enrollment])
                await uow.audit.add(
                    "enrollment.resumed",
                    "enrollment",
                    enrollment.id,
                    actor=actor,
                    detail={"policy": policy.value},
                )
                await uow.commit("enrollment.resume")
        return enrollment

    async def terminate(
        self,
        tenant_id: UUID,
        plan_id: UUID,
        testee: TesteeRef,
        reason: str,
        *,
        actor: str,
        note: str | None = None,
    ) -> Termination:
        """Ends the testee's live enrollment in the plan; without one it is a success that changes nothing."""
        async with self._uow(tenant_id) as uow:
            # An edit that runs at the same moment may be adding tasks that this would not see.
            await found_plan(uow, plan_id, Lock.SHARE)
            person = await found_testee(uow, testee)
            live = await uow.enrollments.live(plan_id, person.id)
            if live is None:
                return Termination(None, 0)
            termination = await terminate_enrollment(uow, live.id, reason, actor=actor, note=note)
            if termination.changed:
                await uow.audit.add(
                    "enrollment.terminated",
                    "enrollment",
                    live.id,
                    actor=actor,
                    detail={"reason": reason, "canceled": termination.canceled},
                )
                await uow.commit("enrollment.terminate")
        return termination


async def terminate_enrollment(
    uow: PlanUnitOfWork,
    enrollment_id: UUID,
    reason: str,
    *,
    actor: str,
    note: str | None = None,
    task_reason: str = "enrollment_terminated",
) -> Termination:
    """Cancels the enrollment's pending and opened tasks and ends it, in a unit of work whose owner audits it."""
    tasks = await uow.tasks.of_enrollments([enrollment_id], Lock.UPDATE)
    enrollment = (await uow.enrollments.lock_many([enrollment_id]))[enrollment_id]
    now = present(uow.now, (task.moved_at for task in tasks))
    ended = [t for t in tasks if t.is_live and t.cancel(task_reason, now, actor, note)]
    changed = enrollment.terminate(reason, now)
    if changed:
        await save_tasks(uow, ended, [enrollment])
    return Termination(enrollment, len(ended), changed)


Changing = Callable[[Enrollment, Sequence[AssessmentTask], datetime], list[AssessmentTask]]
"""What a command does at the given instant to one enrollment and its pending and opened tasks."""


def resuming(
    plan: AssessmentPlan, policy: ResumePolicy, paused_at: datetime, now: datetime, actor: str
) -> Changing:
    """What resuming the plan does; enrollments that were paused by themselves stay as they are."""

    def change(enrollment: Enrollment, tasks: Sequence[AssessmentTask], _: datetime) -> list[AssessmentTask]:
        if enrollment.status is not EnrollmentStatus.ACTIVE:
            return []
        return resume_tasks(plan, enrollment, tasks, policy, paused_at, now, actor)

    return change


def finishing(actor: str) -> Changing:
    """What finishing a plan does: the enrollment closes without what is left of it."""

    def change(
        enrollment: Enrollment, tasks: Sequence[AssessmentTask], now: datetime
    ) -> list[AssessmentTask]:
        ended = [task for task in tasks if task.cancel("plan_finished", now, actor)]
        enrollment.settle(len(ended), now)
        enrollment.close(now)
        return ended

    return change


def canceling(actor: str) -> Changing:
    """What canceling a plan does: the enrollment is terminated."""

    def change(
        enrollment: Enrollment, tasks: Sequence[AssessmentTask], now: datetime
    ) -> list[AssessmentTask]:
        ended = [task for task in tasks if task.cancel("plan_canceled", now, actor)]
        enrollment.terminate("plan_canceled", now)
        return ended

    return change


async def _each_live(uow: PlanUnitOfWork, plan_id: UUID, change: Changing) -> None:
    """Works every live enrollment of a plan in batches inside the one transaction."""
    after: UUID | None = None
    while batch := await uow.enrollments.live_batch(plan_id, after, _BATCH):
        after = batch[-1]
        tasks: dict[UUID, list[AssessmentTask]] = {}
        locked = await uow.tasks.of_enrollments(batch, Lock.UPDATE)
        now = present(uow.now, (task.moved_at for task in locked))
        for task in locked:
            if task.is_live:
                tasks.setdefault(task.enrollment_id, []).append(task)
        enrollments = await uow.enrollments.lock_many(batch)
        changed = [task for e in enrollments.values() for task in change(e, tasks.get(e.id, []), now)]
        await save_tasks(uow, changed, enrollments.values())


async def _locked(uow: PlanUnitOfWork, plan_id: UUID, version: int | None) -> tuple[AssessmentPlan, datetime]:
    """The plan, and the instant of the command."""
    plan = await found_plan(uow, plan_id, Lock.UPDATE)
    if version is not None and plan.version != version:
        raise StaleVersion
    return plan, present(uow.now, [plan.updated_at])


async def _locked_enrollment(
    uow: PlanUnitOfWork, enrollment_id: UUID
) -> tuple[Enrollment, Sequence[AssessmentTask], AssessmentPlan]:
    """Locks in the one order: the plan against commands, the tasks, the enrollment."""
    known = await found_enrollment(uow, enrollment_id)
    plan = await found_plan(uow, known.plan_id, Lock.SHARE)
    tasks = await uow.tasks.of_enrollments([enrollment_id], Lock.UPDATE)
    enrollment = (await uow.enrollments.lock_many([enrollment_id]))[enrollment_id]
    return enrollment, tasks, plan


async def _save(uow: PlanUnitOfWork, plan: AssessmentPlan, action: str, actor: str, **detail: str) -> None:
    await uow.plans.save(plan)
    await uow.events.add(plan.recorded)
    await uow.audit.add(action, "plan", plan.id, actor=actor, detail=detail)
    await uow.commit("plan.steer")
