"""Taking one testee into a plan."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from qs.application.plan.finding import TesteeRef, found_plan, found_testee
from qs.application.plan.ports import Lock, PlanUnitOfWorkFactory
from qs.domain.kernel.ids import IdGenerator
from qs.domain.plan.enrollment import Enrollment, Newcomer, enroll
from qs.domain.plan.rounds import enrollment_meant
from qs.domain.plan.task import AssessmentTask


@dataclass(frozen=True, slots=True)
class Joined:
    """The enrollment with its tasks in order; ``created`` is False for one that existed."""

    created: bool
    enrollment: Enrollment
    tasks: tuple[AssessmentTask, ...]


class Enrolling:
    """Locks plan (shared) and testee, in that order, so that twenty calls for one testee make one enrollment."""

    def __init__(self, uow: PlanUnitOfWorkFactory, new_id: IdGenerator) -> None:
        self._uow = uow
        self._new_id = new_id

    async def enroll(
        self,
        tenant_id: UUID,
        plan_id: UUID,
        testee: TesteeRef,
        start_date: date,
        *,
        actor: str,
        new_round: bool = False,
    ) -> Joined:
        """Enrolls the testee from the start date, or answers the enrollment that this call repeats.

        Raises:
            PlanAbsent, TesteeAbsent, TesteeErasedAlready, PlanNotActive, StartDateDiffers, EntirelyPast,
            OccasionOutOfRange
        """
        async with self._uow(tenant_id) as uow:
            plan = await found_plan(uow, plan_id, Lock.SHARE)
            known = await found_testee(uow, testee)
            person = (await uow.testees.lock_many([known.id]))[known.id]
            rounds = (await uow.enrollments.rounds_of(plan_id, [person.id])).get(person.id, [])
            meant = enrollment_meant(plan.schedule, rounds, start_date, new_round=new_round)
            if meant is not None:
                tasks = await uow.tasks.of_enrollments([meant.id])
                return Joined(False, meant, tuple(tasks))
            person.require_present()
            newcomer = Newcomer(person.id, person.timezone, start_date)
            enrollment, made = enroll(plan, newcomer, len(rounds) + 1, uow.now, self._new_id)
            await uow.enrollments.add_many([enrollment])
            await uow.tasks.add_many(made)
            await uow.events.add(enrollment.recorded)
            await uow.audit.add("enrollment.joined", "enrollment", enrollment.id, actor=actor)
            await uow.commit("enroll")
        return Joined(True, enrollment, tuple(made))
