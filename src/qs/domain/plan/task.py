"""The n-th occasion of one enrollment, and every move it can make."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from qs.domain.kernel.event import Event, Payload
from qs.domain.plan import errors
from qs.domain.plan.entry import MAX_GENERATIONS, Entry
from qs.domain.plan.events import (
    EntryReissued,
    TaskCanceled,
    TaskCompleted,
    TaskExpired,
    TaskOpened,
    TaskRescheduled,
)
from qs.domain.plan.wording import require_assessment_id, require_reason


class TaskStatus(StrEnum):
    PENDING = "pending"
    OPENED = "opened"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELED = "canceled"


class Admission(StrEnum):
    """What a task's entry is worth at an instant."""

    OPEN = "open"
    NOT_OPEN = "pending"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELED = "canceled"


_TERMINAL = {
    TaskStatus.COMPLETED: Admission.COMPLETED,
    TaskStatus.EXPIRED: Admission.EXPIRED,
    TaskStatus.CANCELED: Admission.CANCELED,
    TaskStatus.PENDING: Admission.NOT_OPEN,
}


@dataclass(slots=True, eq=False)
class AssessmentTask:
    """One occasion: pending, then opened, then completed, expired or canceled.

    Windows are half-open: at ``closes_at`` it can no longer be opened (None: for ever it can), at ``expires_at``
    its entry is dead whether or not anybody has marked it. ``entry_keys`` names the key of each generation of
    its link. ``history`` holds what the columns cannot tell: who moved it by hand, and from where. Both it and
    ``recorded`` start as an empty tuple, because a bulk enrollment makes a quarter of a million of these.
    """

    id: UUID
    tenant_id: UUID
    plan_id: UUID
    enrollment_id: UUID
    testee_id: UUID
    scale_code: str
    seq: int
    planned_at: datetime
    timezone: str
    due_at: datetime
    closes_at: datetime | None
    status: TaskStatus = TaskStatus.PENDING
    opened_at: datetime | None = None
    expires_at: datetime | None = None
    completed_at: datetime | None = None
    expired_at: datetime | None = None
    canceled_at: datetime | None = None
    reason: str | None = None
    note: str | None = None
    pinned: bool = False
    dropped: bool = False
    assessment_id: str | None = None
    schedule_revision: int = 1
    entry_keys: tuple[str, ...] = ()
    attempts: int = 0
    last_error: str | None = None
    next_attempt_at: datetime | None = None
    history: Sequence[dict[str, Any]] = ()
    created_at: datetime | None = None
    version: int = 1
    recorded: Sequence[Event] = ()

    @property
    def is_live(self) -> bool:
        """Whether it still counts among its enrollment's ``tasks_left``."""
        return self.status in (TaskStatus.PENDING, TaskStatus.OPENED)

    @property
    def moved_at(self) -> datetime | None:
        """When it ended, else when it was opened, else when it was made, where that was read."""
        return self.completed_at or self.expired_at or self.canceled_at or self.opened_at or self.created_at

    @property
    def generation(self) -> int:
        return len(self.entry_keys)

    def admission(self, now: datetime) -> Admission:
        """The one answer to "may this entry be used now?", for the page, the submission and the sweep."""
        if self.status is TaskStatus.OPENED:
            assert self.expires_at is not None
            return Admission.OPEN if now < self.expires_at else Admission.EXPIRED
        return _TERMINAL[self.status]

    def is_in_window(self, now: datetime) -> bool:
        """Whether it may be opened now: planned_at ≤ now < closes_at."""
        return self.planned_at <= now and (self.closes_at is None or now < self.closes_at)

    def open(self, entry: Entry, now: datetime, by: str | None = None) -> None:
        """Opens a due task with its first entry.

        Raises:
            TaskNotDue, WindowClosed: it is outside its window.
            TaskTransitionRefused: it is not pending.
        """
        if self.status is not TaskStatus.PENDING:
            raise errors.TaskTransitionRefused(self.id, self.status, "be opened")
        if now < self.planned_at:
            raise errors.TaskNotDue(self.id, self.planned_at)
        if self.closes_at is not None and now >= self.closes_at:
            raise errors.WindowClosed(self.id)
        self.status = TaskStatus.OPENED
        self.opened_at = now
        self.expires_at = entry.expires_at
        self.entry_keys = (entry.key_id,)
        self.attempts, self.last_error, self.next_attempt_at = 0, None, None
        self._note("opened", now, by)
        self._record(TaskOpened(*self._facts()), now)

    def complete(self, assessment_id: str, now: datetime, by: str | None = None) -> bool:
        """Completes an opened task; the same assessment_id again is a success that changes nothing.

        Returns whether this call changed it.

        Raises:
            CompletedOtherwise, TaskEntryExpired, TaskTransitionRefused, AssessmentIdInvalid
        """
        require_assessment_id(assessment_id)
        if self.status is TaskStatus.COMPLETED:
            if self.assessment_id == assessment_id:
                return False
            raise errors.CompletedOtherwise(self.id)
        admission = self.admission(now)
        # A missed task never had an entry that could run out.
        if admission is Admission.EXPIRED and self.opened_at is not None:
            raise errors.TaskEntryExpired(self.id)
        if admission is not Admission.OPEN:
            raise errors.TaskTransitionRefused(self.id, self.status, "be completed")
        self.status = TaskStatus.COMPLETED
        self.completed_at = now
        self.assessment_id = assessment_id
        self._note("completed", now, by)
        self._record(TaskCompleted(*self._facts(), now, assessment_id), now)
        return True

    def expire(self, now: datetime, by: str | None = None) -> bool:
        """Ends an opened task: ``entry_timeout`` once its entry ran out, ``manual`` before that by an operator.

        Returns whether this call changed it; an expired one stays as it is.

        Raises:
            TaskTransitionRefused: it is pending, completed or canceled, or nobody asked for it before its time.
        """
        if self.status is TaskStatus.EXPIRED:
            return False
        timed_out = self.admission(now) is Admission.EXPIRED
        if self.status is not TaskStatus.OPENED or not (timed_out or by):
            raise errors.TaskTransitionRefused(self.id, self.status, "expire")
        self._expire("entry_timeout" if timed_out else "manual", now, by)
        return True

    def miss(self, now: datetime) -> None:
        """Ends a pending task whose window closed, or which a newer occasion made superfluous."""
        if self.status is not TaskStatus.PENDING:
            raise errors.TaskTransitionRefused(self.id, self.status, "be missed")
        self._expire("missed", now, None)

    def cancel(self, reason: str, now: datetime, by: str | None = None, note: str | None = None) -> bool:
        """Cancels a pending or opened task. Returns whether this call changed it; a canceled one stays as it is.

        Raises:
            TaskTransitionRefused: it is completed or expired.
            ReasonInvalid, NoteTooLong
        """
        require_reason(reason, note)
        if self.status is TaskStatus.CANCELED:
            return False
        if not self.is_live:
            raise errors.TaskTransitionRefused(self.id, self.status, "be canceled")
        self.status = TaskStatus.CANCELED
        self.canceled_at = now
        self.reason = reason
        self.note = note
        self._note("canceled", now, by, reason=reason)
        self._record(TaskCanceled(*self._facts(), now, reason), now)
        return True

    def skip_at_birth(self, reason: str, now: datetime) -> None:
        """Marks an occasion that could never be opened; it is outside every rate, so no event tells of it."""
        self.status = TaskStatus.CANCELED
        self.canceled_at = now
        self.reason = reason

    def reissue(self, entry: Entry, now: datetime, by: str) -> None:
        """Gives an opened task a new link and kills the old one; the expiry stays.

        Raises:
            TaskNotOpen: there is no live link to replace.
            ReissueLimit: it was issued 32 times.
        """
        if self.admission(now) is not Admission.OPEN:
            raise errors.TaskNotOpen(self.id, self.admission(now))
        if self.generation >= MAX_GENERATIONS:
            raise errors.ReissueLimit
        self.entry_keys = (*self.entry_keys, entry.key_id)
        self._note("reissued", now, by)
        self._record(EntryReissued(*self._facts(), self.generation), now)

    def move(
        self,
        planned_at: datetime,
        due_at: datetime,
        closes_at: datetime | None,
        now: datetime,
        *,
        timezone: str | None = None,
        revision: int | None = None,
        by: str | None = None,
        pin: bool = False,
    ) -> bool:
        """Reschedules a pending task. Returns whether its instant changed, which is what an event tells of.

        Raises:
            TaskTransitionRefused: it is not pending.
        """
        if self.status is not TaskStatus.PENDING:
            raise errors.TaskTransitionRefused(self.id, self.status, "be rescheduled")
        before, self.planned_at = self.planned_at, planned_at
        self.due_at, self.closes_at = due_at, closes_at
        self.timezone = timezone or self.timezone
        self.schedule_revision = revision or self.schedule_revision
        self.pinned = self.pinned or pin
        if before == planned_at:
            return False
        self._note("rescheduled", now, by, **{"from": _wire(before), "to": _wire(planned_at)})
        self._record(TaskRescheduled(*self._facts(), before, self.pinned), now)
        return True

    def _expire(self, reason: str, now: datetime, by: str | None) -> None:
        self.status = TaskStatus.EXPIRED
        self.expired_at = now
        self.reason = reason
        self._note("expired", now, by, reason=reason)
        self._record(TaskExpired(*self._facts(), now, reason), now)

    def _facts(
        self,
    ) -> tuple[UUID, UUID, UUID, UUID, str, int, datetime, datetime | None, datetime, datetime | None, str]:
        return (
            self.id,
            self.plan_id,
            self.enrollment_id,
            self.testee_id,
            self.scale_code,
            self.seq,
            self.planned_at,
            self.opened_at,
            self.due_at,
            self.expires_at,
            self.timezone,
        )

    def _record(self, payload: Payload, now: datetime) -> None:
        event = Event(self.tenant_id, self.id, self.enrollment_id, now, payload)
        self.recorded = [*self.recorded, event]

    def _note(self, fact: str, now: datetime, by: str | None, **more: str) -> None:
        # What the sweep does is told by the columns alone, so that sweeping writes no history.
        if by is not None:
            self.history = [*self.history, {"at": _wire(now), "fact": fact, "actor": by, **more}]


def _wire(instant: datetime) -> str:
    return instant.isoformat(timespec="microseconds").replace("+00:00", "Z")
