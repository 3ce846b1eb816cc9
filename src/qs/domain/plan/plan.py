"""The schedule template for one scale, and its life."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from qs.domain.kernel.event import Event
from qs.domain.plan import errors
from qs.domain.plan.events import (
    PlanCanceled,
    PlanCreated,
    PlanEdited,
    PlanFacts,
    PlanFinished,
    PlanPaused,
    PlanResumed,
)
from qs.domain.plan.schedule import FixedDatesCannotShift, Schedule, ScheduleType
from qs.domain.plan.terms import Terms


class PlanStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELED = "canceled"


class ResumePolicy(StrEnum):
    """What becomes of the occasions that fell into a pause."""

    KEEP = "keep"
    SKIP = "skip"
    SHIFT = "shift"


@dataclass(slots=True, eq=False)
class AssessmentPlan:
    """Which scale is asked, and when; names no testee and no start date."""

    id: UUID
    tenant_id: UUID
    scale_code: str
    schedule: Schedule
    terms: Terms
    timezone: str
    created_at: datetime
    updated_at: datetime
    status: PlanStatus = PlanStatus.ACTIVE
    paused_at: datetime | None = None
    resumed_at: datetime | None = None
    revision: int = 1
    version: int = 1
    recorded: list[Event] = field(default_factory=list)

    @property
    def is_terminal(self) -> bool:
        return self.status in (PlanStatus.FINISHED, PlanStatus.CANCELED)

    def announce(self, now: datetime) -> None:
        """Records that a new plan exists."""
        self._record(PlanCreated(*self._facts()), now)

    def require_active(self) -> None:
        """Raises PlanNotActive unless the plan takes people in and opens tasks."""
        if self.status is not PlanStatus.ACTIVE:
            raise errors.PlanNotActive(self.id, self.status)

    def require_editable(self) -> None:
        """Raises PlanTransitionRefused on a finished or canceled plan."""
        if self.is_terminal:
            raise errors.PlanTransitionRefused(self.id, self.status, "be edited")

    def edit(
        self,
        scale_code: str,
        schedule: Schedule,
        terms: Terms,
        timezone: str,
        *,
        enrolled: bool,
        now: datetime,
    ) -> bool:
        """Takes over the new rule as the next revision.

        Returns whether tasks have to follow, which a new name or link lifetime does not make them do.

        Raises:
            PlanTransitionRefused: the plan is final.
            PlanFieldFixed: scale or schedule type would change under people who are enrolled.
        """
        self.require_editable()
        if enrolled and scale_code != self.scale_code:
            raise errors.PlanFieldFixed("scale_code")
        if enrolled and schedule.schedule_type is not self.schedule.schedule_type:
            raise errors.PlanFieldFixed("schedule_type")
        before = self._task_rule()
        self.scale_code, self.schedule, self.terms, self.timezone = scale_code, schedule, terms, timezone
        self.revision += 1
        self.updated_at = now
        self._record(PlanEdited(*self._facts()), now)
        return self._task_rule() != before

    def pause(self, now: datetime) -> bool:
        """Stops opening; returns whether this call changed anything. Raises PlanTransitionRefused when final."""
        if self.is_terminal:
            raise errors.PlanTransitionRefused(self.id, self.status, "be paused")
        if self.status is PlanStatus.PAUSED:
            return False
        self.status = PlanStatus.PAUSED
        self.paused_at, self.updated_at = now, now
        self._record(PlanPaused(*self._facts()), now)
        return True

    def resume(self, policy: ResumePolicy, now: datetime) -> bool:
        """Goes on; what the policy does to tasks is decided by ``resuming``.

        Raises:
            PlanTransitionRefused: the plan is final.
            FixedDatesCannotShift: its dates are fixed.
        """
        if self.is_terminal:
            raise errors.PlanTransitionRefused(self.id, self.status, "be resumed")
        if policy is ResumePolicy.SHIFT and self.schedule.schedule_type is ScheduleType.FIXED_DATE:
            raise FixedDatesCannotShift
        if self.status is PlanStatus.ACTIVE:
            return False
        self.status = PlanStatus.ACTIVE
        self.resumed_at, self.updated_at = now, now
        self._record(PlanResumed(*self._facts(), policy), now)
        return True

    def finish(self, now: datetime) -> bool:
        """Ends the plan for good as done; returns whether this call changed anything."""
        return self._end(PlanStatus.FINISHED, PlanFinished, "be finished", now)

    def cancel(self, now: datetime) -> bool:
        """Ends the plan for good as given up; returns whether this call changed anything."""
        return self._end(PlanStatus.CANCELED, PlanCanceled, "be canceled", now)

    def _end(self, status: PlanStatus, event: type[PlanFacts], command: str, now: datetime) -> bool:
        if self.status is status:
            return False
        if self.is_terminal:
            raise errors.PlanTransitionRefused(self.id, self.status, command)
        self.status = status
        self.updated_at = now
        self._record(event(*self._facts()), now)
        return True

    def _task_rule(self) -> tuple[object, ...]:
        terms = self.terms
        return (self.schedule, self.timezone, terms.due_days, terms.catch_up_days, terms.catch_up)

    def _facts(self) -> tuple[UUID, str, str, int]:
        return (self.id, self.scale_code, self.status, self.revision)

    def _record(self, payload: PlanFacts, now: datetime) -> None:
        self.recorded.append(Event(self.tenant_id, self.id, self.id, now, payload))
