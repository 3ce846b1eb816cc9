"""Moving one task by hand."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from qs.application.plan.finding import found_enrollment, found_plan, found_task
from qs.application.plan.ports import Lock, PlanUnitOfWork, PlanUnitOfWorkFactory
from qs.application.plan.present import present
from qs.application.plan.settling import settle_enrollments
from qs.domain.plan.entry import Entry
from qs.domain.plan.entry_generator import EntryGenerator
from qs.domain.plan.errors import (
    EarlyExpiryForbidden,
    RescheduledIntoThePast,
    RescheduledTooFar,
    TaskNotOpen,
)
from qs.domain.plan.planning import windows
from qs.domain.plan.schedule import LAST_OCCASION_DATE
from qs.domain.plan.task import Admission, AssessmentTask, TaskStatus


class TaskOperating:
    """Every move locks its task first; of two racing ones the second answers what is then true."""

    def __init__(self, uow: PlanUnitOfWorkFactory, entries: EntryGenerator) -> None:
        self._uow = uow
        self._entries = entries

    async def open(self, tenant_id: UUID, task_id: UUID, *, actor: str) -> tuple[AssessmentTask, Entry]:
        """Opens a due task without waiting for the sweep.

        Raises:
            TaskNotDue, WindowClosed, PlanNotActive, EnrollmentNotActive, TaskTransitionRefused
        """
        async with self._uow(tenant_id) as uow:
            known = await found_task(uow, task_id)
            plan = await found_plan(uow, known.plan_id, Lock.SHARE)
            task = await found_task(uow, task_id, Lock.UPDATE)
            if task.status is TaskStatus.PENDING:
                plan.require_active()
                (await found_enrollment(uow, task.enrollment_id)).require_active()
            entry = self._entries.generate(task, uow.now, plan.terms.entry_ttl_days)
            task.open(entry, uow.now, by=actor)
            await _save(uow, task, "task.opened", actor)
        return task, entry

    async def complete(
        self, tenant_id: UUID, task_id: UUID, assessment_id: str, *, actor: str
    ) -> tuple[AssessmentTask, bool]:
        """Completes an opened task; returns it and whether it had been completed so before."""
        task, changed = await self._move(
            tenant_id, task_id, "task.completed", actor, lambda t, now: t.complete(assessment_id, now, actor)
        )
        return task, not changed

    async def expire(
        self, tenant_id: UUID, task_id: UUID, *, actor: str, early: bool = True
    ) -> AssessmentTask:
        """Expires an opened task. Without ``early`` only once its entry ran out, which is all a duty may do.

        Raises:
            EarlyExpiryForbidden, TaskTransitionRefused
        """

        def move(task: AssessmentTask, now: datetime) -> bool:
            if not early and task.admission(now) is Admission.OPEN:
                raise EarlyExpiryForbidden(task.id)
            return task.expire(now, actor)

        return (await self._move(tenant_id, task_id, "task.expired", actor, move))[0]

    async def cancel(
        self, tenant_id: UUID, task_id: UUID, reason: str, *, actor: str, note: str | None = None
    ) -> AssessmentTask:
        """Cancels a pending or opened task with a reason (``[a-z_]{1,64}``) and a note that no event carries."""
        task, _ = await self._move(
            tenant_id, task_id, "task.canceled", actor, lambda t, now: t.cancel(reason, now, actor, note)
        )
        return task

    async def reissue(self, tenant_id: UUID, task_id: UUID, *, actor: str) -> tuple[AssessmentTask, Entry]:
        """Gives an opened task a new link; the old one is dead from then on and the expiry stays."""
        async with self._uow(tenant_id) as uow:
            task = await found_task(uow, task_id, Lock.UPDATE)
            now = present(uow.now, [task.moved_at])
            if task.admission(now) is not Admission.OPEN:
                raise TaskNotOpen(task.id, task.admission(now))
            entry = self._entries.regenerate(task)
            task.reissue(entry, now, actor)
            await _save(uow, task, "entry.reissued", actor)
        return task, entry

    async def reschedule(
        self, tenant_id: UUID, task_id: UUID, planned_at: datetime, *, actor: str
    ) -> AssessmentTask:
        """Puts one pending task at an instant from now on and pins it there against edits of the plan.

        Raises:
            RescheduledIntoThePast, RescheduledTooFar, TaskTransitionRefused
        """
        if planned_at.date() > LAST_OCCASION_DATE:
            raise RescheduledTooFar
        async with self._uow(tenant_id) as uow:
            known = await found_task(uow, task_id)
            plan = await found_plan(uow, known.plan_id, Lock.SHARE)
            task = await found_task(uow, task_id, Lock.UPDATE)
            if planned_at < uow.now and task.status is TaskStatus.PENDING:
                raise RescheduledIntoThePast
            due_at, closes_at = windows(planned_at, plan.terms, task.timezone)
            task.move(planned_at, due_at, closes_at, uow.now, by=actor, pin=True)
            await _save(uow, task, "task.rescheduled", actor)
        return task

    async def entry(self, tenant_id: UUID, task_id: UUID, *, actor: str) -> Entry:
        """The present link of an opened task; that somebody read it is audited.

        Raises:
            TaskNotOpen
        """
        async with self._uow(tenant_id) as uow:
            task = await found_task(uow, task_id)
            if task.admission(uow.now) is not Admission.OPEN:
                raise TaskNotOpen(task.id, task.admission(uow.now))
            entry = self._entries.show(task)
            await uow.audit.add("entry.read", "task", task_id, actor=actor)
            await uow.commit("task.entry")
        return entry

    async def _move(
        self,
        tenant_id: UUID,
        task_id: UUID,
        action: str,
        actor: str,
        move: Callable[[AssessmentTask, datetime], bool],
    ) -> tuple[AssessmentTask, bool]:
        async with self._uow(tenant_id) as uow:
            task = await found_task(uow, task_id, Lock.UPDATE)
            changed = move(task, present(uow.now, [task.moved_at]))
            if changed:
                await _save(uow, task, action, actor)
        return task, changed


async def _save(uow: PlanUnitOfWork, task: AssessmentTask, action: str, actor: str) -> None:
    await uow.tasks.save_many([task])
    await uow.events.add(task.recorded)
    if not task.is_live:
        await settle_enrollments(uow, [task])
    await uow.audit.add(action, "task", task.id, actor=actor)
    await uow.commit("task.transition")
