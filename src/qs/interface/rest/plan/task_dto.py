"""What the routes of single tasks read and answer; a task never shows a token."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from qs.domain.plan.entry import Entry
from qs.domain.plan.explaining import Explanation
from qs.domain.plan.task import AssessmentTask, TaskStatus
from qs.interface.rest.bodies import Body, Instant

ReasonCode = Annotated[
    str,
    Meta(
        pattern=r"^[a-z_]{1,64}$(?!\n)",
        description="Why, in one word.",
        examples=["moved_away"],
        extra={"expected": "1 to 64 small letters and underscores, such as moved_away"},
    ),
]
Note = Annotated[
    str, Meta(min_length=1, max_length=500, description="Free text for staff; never part of an event.")
]
AssessmentId = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=r"^(?=.*\S)[^\x00-\x1f\x7f]+$(?!\n)",
        description="The answer's id where it was given.",
        examples=["a-1024"],
        extra={"expected": "text without control characters, and more than blanks"},
    ),
]


class CancelBody(Body):
    """Why the task is not asked any more."""

    reason: ReasonCode
    note: Note | None = None


class RescheduleBody(Body):
    """When the task is asked instead; from now on."""

    planned_at: Instant


class CompleteBody(Body):
    """Which answer completes the task."""

    assessment_id: AssessmentId


class TaskView(Struct):
    """One occasion of one enrollment. Instants are RFC 3339 in UTC."""

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
    opened_at: datetime | None
    expires_at: datetime | None
    completed_at: datetime | None
    expired_at: datetime | None
    canceled_at: datetime | None
    status: TaskStatus
    reason: str | None
    note: str | None
    pinned: bool
    assessment_id: str | None
    schedule_revision: int
    version: int

    @classmethod
    def of(cls, task: AssessmentTask) -> "TaskView":
        return cls(*_values(task))


_values = attrgetter(*TaskView.__struct_fields__)


class EntryView(Struct):
    """The credential a testee follows; show it to nobody else."""

    token: UUID
    url: str
    expires_at: datetime

    @classmethod
    def of(cls, entry: Entry) -> "EntryView":
        return cls(entry.token, entry.url, entry.expires_at)


class OpenedTaskView(TaskView, omit_defaults=True):
    """A task with its link, which only callers with `entry:read` are shown."""

    entry: EntryView | None = None

    @classmethod
    def shown_to(cls, task: AssessmentTask, entry: Entry | None) -> "OpenedTaskView":
        """The task, and the link where there is one to show."""
        values = [*_values(task), EntryView.of(entry) if entry else None]
        return cls(*values)


class FactView(Struct):
    """One thing that happened; ``actor`` is `sweep` where nobody did it by hand."""

    at: datetime
    fact: str
    actor: str
    reason: str | None


class NextView(Struct):
    """What happens next; ``at`` is null where that waits for somebody's decision. ``code`` names the kind of it."""

    at: datetime | None
    what: str
    code: Annotated[str, Meta(examples=["opening"])]


class ExplanationView(Struct):
    """Why a task is in its state."""

    status: TaskStatus
    facts: list[FactView]
    next: list[NextView]

    @classmethod
    def of(cls, explanation: Explanation) -> "ExplanationView":
        facts = [FactView(fact.at, fact.fact, fact.actor, fact.reason) for fact in explanation.facts]
        return cls(
            explanation.status, facts, [NextView(each.at, each.what, each.code) for each in explanation.next]
        )


def task_views(tasks: Sequence[AssessmentTask]) -> list[TaskView]:
    """The tasks, in the order given."""
    return [TaskView(*_values(task)) for task in tasks]
