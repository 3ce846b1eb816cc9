"""What one event of the plan context adds to the figures."""

from dataclasses import dataclass
from datetime import datetime

COUNTED_EVENTS = ("EnrollmentJoined", "TaskOpened", "TaskCompleted", "TaskExpired", "TaskCanceled")
"""The events that change a figure."""

MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Fact:
    """As much of an event as counting needs; a field that its event does not have is None.

    ``at`` is the instant of the transition in business time, which decides the civil date.
    """

    name: str
    at: datetime
    plan_id: str
    testee_id: str
    scale_code: str | None
    seq: int | None = None
    opened_at: datetime | None = None
    due_at: datetime | None = None
    completed_at: datetime | None = None
    reason: str | None = None

    def figures(self) -> tuple[str, ...]:
        """The names of the figures that grow by one."""
        match self.name:
            case "EnrollmentJoined":
                return ("enrolled",)
            case "TaskOpened":
                return ("opened",)
            case "TaskCompleted":
                return self._completed()
            case "TaskExpired" if self.reason == MISSED:
                return (MISSED,)
            case "TaskExpired":
                return ("expired", f"expired:{self.reason}", *self._if_later("followup_expired"))
            case "TaskCanceled":
                open_too = ("canceled_open",) if self.opened_at is not None else ()
                return ("canceled", f"canceled:{self.reason}", *open_too)
        return ()

    def _completed(self) -> tuple[str, ...]:
        on_time = (
            self.completed_at is not None and self.due_at is not None and self.completed_at <= self.due_at
        )
        return ("completed", *(("on_time",) if on_time else ()), *self._if_later("followup_completed"))

    def _if_later(self, name: str) -> tuple[str, ...]:
        return (name,) if self.seq is not None and self.seq > 1 else ()
