"""Looking one thing up, or saying that it is not there."""

from uuid import UUID

from qs.application.plan.ports import Lock, PlanUnitOfWork
from qs.domain.plan import errors
from qs.domain.plan.enrollment import Enrollment
from qs.domain.plan.plan import AssessmentPlan
from qs.domain.plan.task import AssessmentTask
from qs.domain.plan.testee import Testee

TesteeRef = UUID | str
"""A testee's id, or their external id as text."""


async def found_plan(uow: PlanUnitOfWork, plan_id: UUID, lock: Lock = Lock.NONE) -> AssessmentPlan:
    """Raises PlanAbsent."""
    plan = await uow.plans.get(plan_id, lock)
    if plan is None:
        raise errors.PlanAbsent
    return plan


async def found_task(uow: PlanUnitOfWork, task_id: UUID, lock: Lock = Lock.NONE) -> AssessmentTask:
    """Raises TaskAbsent."""
    task = await uow.tasks.get(task_id, lock)
    if task is None:
        raise errors.TaskAbsent
    return task


async def found_enrollment(uow: PlanUnitOfWork, enrollment_id: UUID) -> Enrollment:
    """Raises EnrollmentAbsent."""
    enrollment = await uow.enrollments.get(enrollment_id)
    if enrollment is None:
        raise errors.EnrollmentAbsent
    return enrollment


async def found_testee(uow: PlanUnitOfWork, ref: TesteeRef, lock: Lock = Lock.NONE) -> Testee:
    """The testee of that id or external id. Raises TesteeAbsent."""
    if isinstance(ref, str):
        testee = await uow.testees.by_external_id(ref)
        if testee is not None and lock:
            testee = await uow.testees.get(testee.id, lock)
    else:
        testee = await uow.testees.get(ref, lock)
    if testee is None:
        raise errors.TesteeAbsent
    return testee
