"""Why a task is in its state: the facts in order, and what happens next."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from qs.domain.plan.enrollment import Enrollment, EnrollmentStatus
from qs.domain.plan.plan import AssessmentPlan, PlanStatus
from qs.domain.plan.planning import newest_due
from qs.domain.plan.task import Admission, AssessmentTask, TaskStatus
from qs.domain.plan.terms import CatchUp

SWEEP = "sweep"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened to the task; ``actor`` is ``sweep`` where nobody did it by hand."""

    at: datetime
    fact: str
    actor: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Next:
    """What happens next; ``at`` is None where that waits for somebody's decision.

    ``code`` names the kind of it, for those who say it in words of their own.
    """

    at: datetime | None
    what: str
    code: str


@dataclass(frozen=True, slots=True)
class Explanation:
    status: TaskStatus
    facts: tuple[Fact, ...]
    next: tuple[Next, ...]


def explain(
    task: AssessmentTask,
    plan: AssessmentPlan,
    enrollment: Enrollment,
    notices: Iterable[Fact],
    now: datetime,
    siblings: Iterable[AssessmentTask] = (),
) -> Explanation:
    """The facts of the task in order of time, with those of its plan and enrollment that bear on it.

    ``siblings`` are the tasks of its enrollment, one of which may make it superfluous.
    """
    facts = [
        *_from_columns(task, enrollment),
        *_from_history(task),
        *notices,
        *_pauses(task, plan, enrollment),
    ]
    order = {"planned": 0, "opened": 1, "notified": 2}
    facts.sort(key=lambda fact: (fact.at, order.get(fact.fact, 3)))
    return Explanation(task.status, tuple(facts), tuple(_next(task, plan, enrollment, now, siblings)))


def _from_columns(task: AssessmentTask, enrollment: Enrollment) -> Iterable[Fact]:
    told = {entry["fact"] for entry in task.history}
    assert task.created_at is not None
    yield Fact(task.created_at, "planned", _maker(task, enrollment))
    moves = (
        (task.opened_at, "opened", None),
        (task.completed_at, "completed", None),
        (task.expired_at, "expired", task.reason),
        (task.canceled_at, "canceled", task.reason),
    )
    for at, fact, reason in moves:
        if at is not None and fact not in told:
            actor = {"completed": "testee", "canceled": _maker(task, enrollment)}.get(fact, SWEEP)
            yield Fact(at, fact, actor, reason)


def _maker(task: AssessmentTask, enrollment: Enrollment) -> str:
    """Who made the task, and canceled it at once where it came too late."""
    return "enrollment" if task.created_at == enrollment.created_at else "edit"


def _from_history(task: AssessmentTask) -> Iterable[Fact]:
    for entry in task.history:
        reason = entry.get("reason")
        if entry["fact"] == "rescheduled":
            reason = f"from {entry['from']} to {entry['to']}"
        yield Fact(datetime.fromisoformat(entry["at"]), entry["fact"], entry["actor"], reason)


def _pauses(task: AssessmentTask, plan: AssessmentPlan, enrollment: Enrollment) -> Iterable[Fact]:
    ended_at = task.completed_at or task.expired_at or task.canceled_at
    for subject, holder in (("plan", plan), ("enrollment", enrollment)):
        for at, what in ((holder.paused_at, "paused"), (holder.resumed_at, "resumed")):
            if at is not None and enrollment.created_at <= at and (ended_at is None or at <= ended_at):
                yield Fact(at, f"{subject}_{what}", "operator")


def _next(
    task: AssessmentTask,
    plan: AssessmentPlan,
    enrollment: Enrollment,
    now: datetime,
    siblings: Iterable[AssessmentTask],
) -> Iterable[Next]:
    if task.status is TaskStatus.OPENED:
        if task.admission(now) is Admission.OPEN:
            yield Next(None, "waits for the answer", "answer")
            yield Next(task.expires_at, "expires if it is not answered", "expiry")
        else:
            yield Next(now, "is marked expired by the next sweep; its link is dead already", "expiry_due")
    if task.status is not TaskStatus.PENDING:
        return
    if plan.status is PlanStatus.PAUSED:
        yield Next(None, "waits until the plan is resumed", "plan_paused")
    elif enrollment.status is EnrollmentStatus.PAUSED:
        yield Next(None, "waits until the enrollment is resumed", "enrollment_paused")
    elif now < task.planned_at:
        yield Next(task.planned_at, "is opened by the first sweep from then on", "opening")
        if task.closes_at is not None:
            yield Next(task.closes_at, "is missed if no sweep has opened it by then", "missing")
    elif task.last_error is not None:
        again = (
            f"is tried again by the sweep; {task.attempts} attempts failed, the last with {task.last_error}"
        )
        yield Next(max(task.next_attempt_at or now, now), again, "retry")
    elif not task.is_in_window(now):
        yield Next(now, "is marked missed by the next sweep", "missing_due")
    elif plan.terms.catch_up is CatchUp.LATEST and _is_superseded(task, siblings, now):
        yield Next(now, "is marked missed by the next sweep, since a newer one is due", "superseded")
    else:
        yield Next(now, "is opened by the next sweep", "opening_due")


def _is_superseded(task: AssessmentTask, siblings: Iterable[AssessmentTask], now: datetime) -> bool:
    counted = [(t.planned_at, t.seq) for t in siblings if t.status is not TaskStatus.CANCELED]
    newest = newest_due(counted, now)
    return newest is not None and (task.planned_at, task.seq) < newest
