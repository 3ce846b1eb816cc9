"""One testee in one plan, from a start date."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from qs.domain.kernel.event import Event
from qs.domain.kernel.ids import IdGenerator
from qs.domain.plan import errors
from qs.domain.plan.events import (
    EnrollmentClosed,
    EnrollmentFacts,
    EnrollmentJoined,
    EnrollmentPaused,
    EnrollmentResumed,
    EnrollmentTerminated,
)
from qs.domain.plan.plan import AssessmentPlan, ResumePolicy
from qs.domain.plan.planning import PlannedOccasion, plan_occasions, unopenable
from qs.domain.plan.schedule import FixedDatesCannotShift, OccasionOutOfRange, ScheduleType, Shift
from qs.domain.plan.task import AssessmentTask
from qs.domain.plan.wording import require_reason


class EnrollmentStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    CLOSED = "closed"
    TERMINATED = "terminated"


@dataclass(slots=True, eq=False)
class Enrollment:
    """A numbered round of one testee through one plan.

    ``tasks_left`` counts its pending and opened tasks; the last terminal move closes it. ``shifts`` are the
    whole days that resuming moved its later occasions by.
    """

    id: UUID
    tenant_id: UUID
    plan_id: UUID
    testee_id: UUID
    round: int
    start_date: date
    created_at: datetime
    tasks_left: int = 0
    shifts: tuple[Shift, ...] = ()
    status: EnrollmentStatus = EnrollmentStatus.ACTIVE
    paused_at: datetime | None = None
    resumed_at: datetime | None = None
    reason: str | None = None
    ended_at: datetime | None = None
    version: int = 1
    recorded: list[Event] = field(default_factory=list)

    @property
    def is_live(self) -> bool:
        return self.status in (EnrollmentStatus.ACTIVE, EnrollmentStatus.PAUSED)

    def require_active(self) -> None:
        """Raises EnrollmentNotActive unless its tasks may be opened."""
        if self.status is not EnrollmentStatus.ACTIVE:
            raise errors.EnrollmentNotActive(self.id, self.status)

    def occasions(self, plan: AssessmentPlan, zone_name: str) -> tuple[PlannedOccasion, ...]:
        """Where the plan's present rule puts this round's occasions, its shifts included.

        Raises:
            OccasionOutOfRange, which points at no field: the start date was given long ago.
        """
        try:
            return plan_occasions(plan.schedule, plan.terms, zone_name, self.start_date, self.shifts)
        except OccasionOutOfRange as error:
            raise OccasionOutOfRange(error.seq, pointer="") from None

    def announce(self, scale_code: str, occasions: int) -> None:
        """Records that the testee joined, with how many occasions can still be opened."""
        self._record(EnrollmentJoined(*self._facts(), scale_code, occasions), self.created_at)

    def settle(self, ended: int, now: datetime) -> None:
        """Takes ``ended`` finished tasks off the count; at none left it closes."""
        if ended == 0:
            return
        self.tasks_left -= ended
        if self.tasks_left == 0:
            self.close(now)

    def close(self, now: datetime) -> None:
        """Ends a live enrollment whose tasks have all ended."""
        if self.is_live:
            self.status = EnrollmentStatus.CLOSED
            self.ended_at = now
            self._record(EnrollmentClosed(*self._facts()), now)

    def pause(self, plan: AssessmentPlan, now: datetime) -> bool:
        """Stops opening for this testee; returns whether this call changed anything.

        Raises:
            EnrollmentTransitionRefused: it is closed or terminated.
            PlanNotActive: nobody's tasks are opened as it is.
        """
        self._require_live("be paused")
        if self.status is EnrollmentStatus.PAUSED:
            return False
        plan.require_active()
        self.status = EnrollmentStatus.PAUSED
        self.paused_at = now
        self._record(EnrollmentPaused(*self._facts()), now)
        return True

    def resume(self, policy: ResumePolicy, plan: AssessmentPlan, now: datetime) -> bool:
        """Goes on; what the policy does to tasks is decided by ``resuming``.

        Raises:
            EnrollmentTransitionRefused: it is closed or terminated.
            FixedDatesCannotShift: the plan names its dates one by one.
            PlanNotActive: the plan is paused itself, and its resumption comes first.
        """
        self._require_live("be resumed")
        if policy is ResumePolicy.SHIFT and plan.schedule.schedule_type is ScheduleType.FIXED_DATE:
            raise FixedDatesCannotShift
        if self.status is EnrollmentStatus.ACTIVE:
            return False
        plan.require_active()
        self.status = EnrollmentStatus.ACTIVE
        self.resumed_at = now
        self._record(EnrollmentResumed(*self._facts(), policy), now)
        return True

    def terminate(self, reason: str, now: datetime) -> bool:
        """Ends it before its time; returns whether this call changed anything. Its tasks are canceled beside it.

        Raises:
            ReasonInvalid
        """
        require_reason(reason)
        if not self.is_live:
            return False
        self.status = EnrollmentStatus.TERMINATED
        self.tasks_left = 0
        self.reason = reason
        self.ended_at = now
        self._record(EnrollmentTerminated(*self._facts(), reason), now)
        return True

    def _require_live(self, command: str) -> None:
        if not self.is_live:
            raise errors.EnrollmentTransitionRefused(self.id, self.status, command)

    def _facts(self) -> tuple[UUID, UUID, UUID, int, date]:
        return (self.id, self.plan_id, self.testee_id, self.round, self.start_date)

    def _record(self, payload: EnrollmentFacts, now: datetime) -> None:
        self.recorded.append(Event(self.tenant_id, self.id, self.id, now, payload))


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Who is to be enrolled: the testee's id, own zone (None: the plan's) and start date."""

    testee_id: UUID
    timezone: str | None
    start_date: date


def enroll(
    plan: AssessmentPlan, newcomer: Newcomer, round_: int, now: datetime, new_id: IdGenerator
) -> tuple[Enrollment, list[AssessmentTask]]:
    """A new enrollment with one task per occasion; those that could never be opened are canceled at birth.

    Raises:
        PlanNotActive; EntirelyPast: no occasion is left; OccasionOutOfRange.
    """
    plan.require_active()
    zone_name = newcomer.timezone or plan.timezone
    occasions = plan_occasions(plan.schedule, plan.terms, zone_name, newcomer.start_date)
    late = unopenable(occasions, plan.terms, now)
    left = len(occasions) - len(late)
    if left == 0:
        raise errors.EntirelyPast
    enrollment = Enrollment(
        new_id(), plan.tenant_id, plan.id, newcomer.testee_id, round_, newcomer.start_date, now, left
    )
    tasks = make_tasks(plan, enrollment, occasions, zone_name, now, new_id)
    if late:
        for task in tasks:
            if task.seq in late:
                task.skip_at_birth("late_enrollment", now)
    enrollment.announce(plan.scale_code, left)
    return enrollment, tasks


def make_tasks(
    plan: AssessmentPlan,
    enrollment: Enrollment,
    occasions: Sequence[PlannedOccasion],
    zone_name: str,
    now: datetime,
    new_id: IdGenerator,
) -> list[AssessmentTask]:
    """Pending tasks for the occasions, in the given zone and of the plan's present revision."""
    tenant_id, plan_id, enrollment_id = plan.tenant_id, plan.id, enrollment.id
    testee_id, scale_code, revision = enrollment.testee_id, plan.scale_code, plan.revision
    return [
        AssessmentTask(
            new_id(),
            tenant_id,
            plan_id,
            enrollment_id,
            testee_id,
            scale_code,
            occasion.seq,
            occasion.planned_at,
            zone_name,
            occasion.due_at,
            occasion.closes_at,
            schedule_revision=revision,
            created_at=now,
        )
        for occasion in occasions
    ]
