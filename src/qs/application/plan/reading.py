"""Reading plans, enrollments, tasks and testees."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from qs.application.plan.finding import (
    TesteeRef,
    found_enrollment,
    found_plan,
    found_task,
    found_testee,
)
from qs.application.plan.ports import (
    NoticeReader,
    Page,
    PlanUnitOfWorkFactory,
    Slice,
    TaskFilter,
)
from qs.domain.plan.enrollment import Enrollment
from qs.domain.plan.errors import TaskAbsent
from qs.domain.plan.explaining import Explanation, explain
from qs.domain.plan.plan import AssessmentPlan
from qs.domain.plan.task import AssessmentTask
from qs.domain.plan.testee import Testee


class OneTask(Protocol):
    """Reads one task in one round trip; the busiest read there is."""

    async def __call__(self, tenant_id: UUID, task_id: UUID) -> AssessmentTask | None: ...


class PlanReading:
    """Every method sees only the given tenant and raises the Absent of its subject."""

    def __init__(self, uow: PlanUnitOfWorkFactory, one_task: OneTask, notices: NoticeReader) -> None:
        self._uow = uow
        self._one_task = one_task
        self._notices = notices

    async def plan(self, tenant_id: UUID, plan_id: UUID) -> AssessmentPlan:
        async with self._uow(tenant_id) as uow:
            return await found_plan(uow, plan_id)

    async def plans(
        self, tenant_id: UUID, page: Page, *, status: str | None = None, scale_code: str | None = None
    ) -> tuple[Sequence[AssessmentPlan], int]:
        async with self._uow(tenant_id) as uow:
            return await uow.plans.list(page, status, scale_code)

    async def plans_of_testee(
        self, tenant_id: UUID, ref: TesteeRef, page: Page
    ) -> tuple[Sequence[AssessmentPlan], int]:
        async with self._uow(tenant_id) as uow:
            testee = await found_testee(uow, ref)
            return await uow.plans.of_testee(testee.id, page)

    async def enrollment(
        self, tenant_id: UUID, enrollment_id: UUID
    ) -> tuple[Enrollment, Sequence[AssessmentTask]]:
        async with self._uow(tenant_id) as uow:
            enrollment = await found_enrollment(uow, enrollment_id)
            return enrollment, await uow.tasks.of_enrollments([enrollment_id])

    async def enrollments(
        self, tenant_id: UUID, plan_id: UUID, page: Page, status: str | None = None
    ) -> tuple[Sequence[Enrollment], int]:
        async with self._uow(tenant_id) as uow:
            await found_plan(uow, plan_id)
            return await uow.enrollments.list(plan_id, page, status)

    async def grid(
        self, tenant_id: UUID, plan_id: UUID, page: Page, status: str | None = None
    ) -> tuple[Sequence[tuple[Enrollment, Sequence[AssessmentTask]]], int]:
        """Enrollments as ``enrollments`` lists them, each with its tasks by seq."""
        async with self._uow(tenant_id) as uow:
            await found_plan(uow, plan_id)
            enrollments, total = await uow.enrollments.list(plan_id, page, status)
            tasks = await uow.tasks.of_enrollments([enrollment.id for enrollment in enrollments])
        rows: dict[UUID, list[AssessmentTask]] = {enrollment.id: [] for enrollment in enrollments}
        for task in tasks:
            rows[task.enrollment_id].append(task)
        return [(enrollment, rows[enrollment.id]) for enrollment in enrollments], total

    async def task(self, tenant_id: UUID, task_id: UUID) -> AssessmentTask:
        task = await self._one_task(tenant_id, task_id)
        if task is None:
            raise TaskAbsent
        return task

    async def tasks(
        self, tenant_id: UUID, where: TaskFilter, page: Slice, *, testee: TesteeRef | None = None
    ) -> Sequence[AssessmentTask]:
        """Ordered by planned_at and id; a plan or testee that is not there is Absent, not an empty list."""
        async with self._uow(tenant_id) as uow:
            if where.plan_id is not None:
                await found_plan(uow, where.plan_id)
            if testee is not None:
                person = await found_testee(uow, testee)
                where = TaskFilter(
                    where.plan_id,
                    person.id,
                    where.enrollment_id,
                    where.status,
                    where.planned_from,
                    where.planned_to,
                    where.expires_before,
                )
            return await uow.tasks.list(where, page)

    async def explain(self, tenant_id: UUID, task_id: UUID) -> Explanation:
        """Why the task is in its state, and what happens next."""
        async with self._uow(tenant_id) as uow:
            task = await found_task(uow, task_id)
            plan = await found_plan(uow, task.plan_id)
            enrollment = await found_enrollment(uow, task.enrollment_id)
            siblings = await uow.tasks.of_enrollments([enrollment.id])
            now = uow.now
        notices = await self._notices.notices_of(tenant_id, task_id)
        return explain(task, plan, enrollment, notices, now, siblings)

    async def testee(self, tenant_id: UUID, ref: TesteeRef) -> Testee:
        async with self._uow(tenant_id) as uow:
            return await found_testee(uow, ref)

    async def testees(
        self, tenant_id: UUID, page: Page, ids: Sequence[UUID] = ()
    ) -> tuple[Sequence[Testee], int]:
        """Those that are not erased, newest first; with ``ids`` only these."""
        async with self._uow(tenant_id) as uow:
            return await uow.testees.list(page, ids)
