"""Writing changed tasks and enrollments with their events, in the one order that cannot deadlock."""

from collections.abc import Iterable, Sequence

from qs.application.plan.ports import PlanUnitOfWork
from qs.domain.plan.enrollment import Enrollment
from qs.domain.plan.task import AssessmentTask


async def save_tasks(
    uow: PlanUnitOfWork, tasks: Sequence[AssessmentTask], enrollments: Iterable[Enrollment] = ()
) -> None:
    """Tasks first, then their enrollments; both were locked in that order, each in id order."""
    holders = list(enrollments)
    await uow.tasks.save_many(tasks)
    await uow.enrollments.save_many(holders)
    await uow.events.add([event for task in tasks for event in task.recorded])
    await uow.events.add([event for enrollment in holders for event in enrollment.recorded])
