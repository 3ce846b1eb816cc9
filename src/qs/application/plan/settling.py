"""After terminal moves: the enrollments' counts follow, and those with nothing left close."""

from collections import Counter
from collections.abc import Sequence

from qs.application.plan.ports import PlanUnitOfWork
from qs.domain.plan.enrollment import Enrollment
from qs.domain.plan.task import AssessmentTask


async def settle_enrollments(uow: PlanUnitOfWork, ended: Sequence[AssessmentTask]) -> list[Enrollment]:
    """Takes the ended tasks off their enrollments, which are locked in id order after the tasks.

    Two last tasks that end at the same moment therefore still close their enrollment. Returns the
    enrollments with their events recorded in the outbox.
    """
    if not ended:
        return []
    counts = Counter(task.enrollment_id for task in ended)
    enrollments = await uow.enrollments.lock_many(counts)
    # With its last task, not after it.
    now = max(uow.now, *(task.moved_at for task in ended if task.moved_at is not None))
    for enrollment in enrollments.values():
        enrollment.settle(counts[enrollment.id], now)
    await uow.enrollments.save_many(list(enrollments.values()))
    await uow.events.add([event for e in enrollments.values() for event in e.recorded])
    return list(enrollments.values())
