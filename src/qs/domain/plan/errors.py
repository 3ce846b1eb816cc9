"""Why the plan context says no. One class per cause."""

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from qs.domain.kernel.errors import Absent, Forbidden, Gone, Invalid, Problem, Refused


class PlanAbsent(Absent):
    code = "plan.absent"
    sentence = "there is no such plan; check the id"


class ScaleAbsent(Absent):
    code = "scale.absent"
    sentence = "there is no such scale in the catalogue; check the code"


class TesteeAbsent(Absent):
    code = "testee.absent"
    sentence = "there is no such testee; check the id, or write ext:{id} for an external one"


class EnrollmentAbsent(Absent):
    code = "enrollment.absent"
    sentence = "there is no such enrollment; check the id"


class TaskAbsent(Absent):
    code = "task.absent"
    sentence = "there is no such task; check the id"


class EntryAbsent(Absent):
    """One body for wrong, foreign, malformed and unknown alike, so that nothing can be learnt by trying."""

    code = "entry.absent"
    sentence = "this link is not valid; open the newest link you were sent, or ask for a new one"


class PlanNotActive(Refused):
    code = "plan.not_active"

    def __init__(self, plan_id: UUID, status: str) -> None:
        super().__init__(f"plan {plan_id} is {status}, not active; resume it or use another plan")


class PlanTransitionRefused(Refused):
    code = "plan.invalid_transition"

    def __init__(self, plan_id: UUID, status: str, command: str) -> None:
        super().__init__(
            f"plan {plan_id} is {status}, which is final; it cannot {command}; create a new plan"
        )


class PlanFieldFixed(Refused):
    code = "plan.field_fixed"

    def __init__(self, field: str) -> None:
        super().__init__(f"{field} is fixed once somebody is enrolled; create a new plan for another {field}")


class StaleVersion(Refused):
    """Somebody else changed the row first; the unit of work is given up and the present state read again."""

    code = "version.stale"
    sentence = "somebody else changed this at the same moment; read it again and decide anew"


class EnrollmentNotActive(Refused):
    code = "enrollment.not_active"

    def __init__(self, enrollment_id: UUID, status: str) -> None:
        super().__init__(f"enrollment {enrollment_id} is {status}, not active; resume it or enroll anew")


class EnrollmentTransitionRefused(Refused):
    code = "enrollment.invalid_transition"

    def __init__(self, enrollment_id: UUID, status: str, command: str) -> None:
        super().__init__(
            f"enrollment {enrollment_id} is {status}, which is final; it cannot {command}; enroll anew"
        )


class StartDateDiffers(Refused):
    code = "enrollment.start_date_differs"

    def __init__(self, start_date: date) -> None:
        super().__init__(
            f"the testee already follows this plan from {start_date}; terminate that enrollment before another start date"
        )


class EntirelyPast(Invalid):
    code = "enrollment.entirely_past"
    sentence = "every occasion's catch-up window has closed already; choose a later start_date"

    def __init__(self) -> None:
        super().__init__([Problem("/start_date", "leaves no occasion that can still be opened")])


class TesteeErasedAlready(Refused):
    code = "testee.erased"
    sentence = "this testee was erased and takes part in nothing new; create another testee"


class ExternalIdTaken(Refused):
    code = "testee.external_id_taken"
    sentence = "another testee already has this external_id; use that one or another external_id"


class ScaleExists(Refused):
    code = "scale.exists"
    sentence = "the catalogue already has a scale of this code; choose another code"


class TaskNotDue(Refused):
    code = "task.not_due"

    def __init__(self, task_id: UUID, planned_at: datetime) -> None:
        super().__init__(
            f"task {task_id} is planned for {planned_at:%Y-%m-%dT%H:%M:%SZ}; it cannot be opened before"
        )


class WindowClosed(Refused):
    code = "task.window_closed"

    def __init__(self, task_id: UUID) -> None:
        super().__init__(f"the catch-up window of task {task_id} has closed; it cannot be opened any more")


class TaskTransitionRefused(Refused):
    code = "task.invalid_transition"

    def __init__(self, task_id: UUID, status: str, command: str) -> None:
        super().__init__(f"task {task_id} is {status}; it cannot {command}")


class TaskEntryExpired(Refused):
    code = "task.entry_expired"

    def __init__(self, task_id: UUID) -> None:
        super().__init__(f"the entry of task {task_id} ran out; it cannot be completed")


class TaskNotOpen(Refused):
    code = "task.not_open"

    def __init__(self, task_id: UUID, status: str) -> None:
        super().__init__(f"task {task_id} is {status}, not opened; it has no link")


class LinkUnreadable(Refused):
    """The secret key that a link was made with is no longer configured, so nobody can derive the link again."""

    code = "task.link_unreadable"

    def __init__(self, task_id: UUID) -> None:
        super().__init__(
            f"the key that made the link of task {task_id} is gone, so it cannot be shown; issue the link again"
        )


class ReissueLimit(Refused):
    code = "task.reissue_limit"
    sentence = "the link of this task was issued 32 times; cancel the task and reschedule instead"


class RescheduledIntoThePast(Invalid):
    code = "task.planned_in_past"
    sentence = "a task cannot be moved into the past; choose an instant from now on"

    def __init__(self) -> None:
        super().__init__([Problem("/planned_at", "must not be before now")])


class RescheduledTooFar(Invalid):
    code = "plan.occasion_out_of_range"
    sentence = "a task cannot be moved beyond 2199, the last year qs plans; choose an earlier instant"

    def __init__(self) -> None:
        super().__init__([Problem("/planned_at", "must not be after 2199-12-31")])


class CompletedOtherwise(Refused):
    code = "task.invalid_transition"

    def __init__(self, task_id: UUID) -> None:
        super().__init__(f"task {task_id} was completed with another assessment_id; that answer stands")


class EntryReplaced(Gone):
    code = "entry.replaced"
    sentence = "this link was replaced by a newer one; open the newest link you were sent"


class EntryExpired(Gone):
    code = "entry.expired"
    sentence = "this link has run out; ask for a new one if you still want to answer"


class EntryCanceled(Gone):
    code = "entry.canceled"
    sentence = "this questionnaire is no longer asked for; there is nothing left to do"


class EntryCompleted(Gone):
    code = "entry.completed"
    sentence = "this questionnaire was already answered; there is nothing left to do"


class UnknownScale(Invalid):
    code = "plan.unknown_scale"
    sentence = "the scale is not in the catalogue or not published; publish it first"

    def __init__(self) -> None:
        super().__init__([Problem("/scale_code", "must name a published scale of the catalogue")])


class SeveralInvalid(Invalid):
    code = "plan.invalid"

    def __init__(self, problems: Iterable[Problem]) -> None:
        super().__init__(problems)


class EarlyExpiryForbidden(Forbidden):
    """A duty account may expire what ran out, and nothing before."""

    code = "forbidden"

    def __init__(self, task_id: UUID) -> None:
        super().__init__(
            f"the entry of task {task_id} has not run out; expiring it by hand needs the scope tasks:write"
        )
