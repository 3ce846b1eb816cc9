"""The events of the plan context. Field names are part of the published contract."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar
from uuid import UUID


@dataclass(slots=True, eq=False)
class TaskFacts:
    """What every task event carries."""

    context: ClassVar[str] = "plan"
    subject_kind: ClassVar[str] = "tasks"
    name: ClassVar[str] = ""

    task_id: UUID
    plan_id: UUID
    enrollment_id: UUID
    testee_id: UUID
    scale_code: str
    seq: int
    planned_at: datetime
    opened_at: datetime | None
    due_at: datetime
    expires_at: datetime | None
    timezone: str


@dataclass(slots=True, eq=False)
class TaskOpened(TaskFacts):
    name: ClassVar[str] = "TaskOpened"


@dataclass(slots=True, eq=False)
class TaskCompleted(TaskFacts):
    name: ClassVar[str] = "TaskCompleted"

    completed_at: datetime
    assessment_id: str


@dataclass(slots=True, eq=False)
class TaskExpired(TaskFacts):
    """``reason`` is entry_timeout, manual or missed; ``opened_at`` is null when missed."""

    name: ClassVar[str] = "TaskExpired"

    expired_at: datetime
    reason: str


@dataclass(slots=True, eq=False)
class TaskCanceled(TaskFacts):
    name: ClassVar[str] = "TaskCanceled"

    canceled_at: datetime
    reason: str


@dataclass(slots=True, eq=False)
class TaskRescheduled(TaskFacts):
    """``planned_at`` is the new instant, ``planned_before`` the one it replaces."""

    name: ClassVar[str] = "TaskRescheduled"

    planned_before: datetime
    pinned: bool


@dataclass(slots=True, eq=False)
class EntryReissued(TaskFacts):
    """The earlier link is dead; ``generation`` counts from 1."""

    name: ClassVar[str] = "EntryReissued"

    generation: int


@dataclass(slots=True, eq=False)
class EnrollmentFacts:
    context: ClassVar[str] = "plan"
    subject_kind: ClassVar[str] = "enrollments"
    name: ClassVar[str] = ""

    enrollment_id: UUID
    plan_id: UUID
    testee_id: UUID
    round: int
    start_date: date


@dataclass(slots=True, eq=False)
class EnrollmentJoined(EnrollmentFacts):
    name: ClassVar[str] = "EnrollmentJoined"

    scale_code: str
    occasions: int


@dataclass(slots=True, eq=False)
class EnrollmentPaused(EnrollmentFacts):
    name: ClassVar[str] = "EnrollmentPaused"


@dataclass(slots=True, eq=False)
class EnrollmentResumed(EnrollmentFacts):
    name: ClassVar[str] = "EnrollmentResumed"

    policy: str


@dataclass(slots=True, eq=False)
class EnrollmentTerminated(EnrollmentFacts):
    name: ClassVar[str] = "EnrollmentTerminated"

    reason: str


@dataclass(slots=True, eq=False)
class EnrollmentClosed(EnrollmentFacts):
    name: ClassVar[str] = "EnrollmentClosed"


@dataclass(slots=True, eq=False)
class PlanFacts:
    context: ClassVar[str] = "plan"
    subject_kind: ClassVar[str] = "plans"
    name: ClassVar[str] = ""

    plan_id: UUID
    scale_code: str
    status: str
    revision: int


@dataclass(slots=True, eq=False)
class PlanCreated(PlanFacts):
    name: ClassVar[str] = "PlanCreated"


@dataclass(slots=True, eq=False)
class PlanEdited(PlanFacts):
    name: ClassVar[str] = "PlanEdited"


@dataclass(slots=True, eq=False)
class PlanPaused(PlanFacts):
    name: ClassVar[str] = "PlanPaused"


@dataclass(slots=True, eq=False)
class PlanResumed(PlanFacts):
    name: ClassVar[str] = "PlanResumed"

    policy: str


@dataclass(slots=True, eq=False)
class PlanFinished(PlanFacts):
    name: ClassVar[str] = "PlanFinished"


@dataclass(slots=True, eq=False)
class PlanCanceled(PlanFacts):
    name: ClassVar[str] = "PlanCanceled"


@dataclass(slots=True, eq=False)
class TesteeErased:
    context: ClassVar[str] = "plan"
    subject_kind: ClassVar[str] = "testees"
    name: ClassVar[str] = "TesteeErased"

    testee_id: UUID


ALL_EVENTS = (
    TaskOpened,
    TaskCompleted,
    TaskExpired,
    TaskCanceled,
    TaskRescheduled,
    EntryReissued,
    EnrollmentJoined,
    EnrollmentPaused,
    EnrollmentResumed,
    EnrollmentTerminated,
    EnrollmentClosed,
    PlanCreated,
    PlanEdited,
    PlanPaused,
    PlanResumed,
    PlanFinished,
    PlanCanceled,
    TesteeErased,
)
