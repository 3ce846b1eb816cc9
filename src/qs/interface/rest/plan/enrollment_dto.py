"""What the routes of enrollments read and answer."""

from collections.abc import Sequence
from datetime import date, datetime
from operator import attrgetter
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from qs.application.plan.enrolling import Joined
from qs.application.plan.finding import TesteeRef
from qs.application.plan.steering import Termination
from qs.domain.kernel.errors import Problem
from qs.domain.plan.enrollment import Enrollment, EnrollmentStatus
from qs.domain.plan.schedule import InvalidStartDate, Shift, read_start_date
from qs.domain.plan.task import AssessmentTask, TaskStatus
from qs.interface.rest.bodies import Body, ExternalId
from qs.interface.rest.parsing import refuse
from qs.interface.rest.plan.task_dto import Note, ReasonCode, TaskView, task_views


class EnrollBody(Body):
    """Who is enrolled in what, from when. Exactly one of `testee_id` and `external_id` names the testee."""

    plan_id: UUID
    testee_id: UUID | None = None
    external_id: ExternalId | None = None
    start_date: Annotated[
        Any,
        Meta(examples=["2026-07-01"], extra_json_schema={"extra": {"type": "string", "format": "date"}}),
    ] = None
    new_round: Annotated[
        bool, Meta(description="Open another round where the last one of this start date has ended.")
    ] = False

    def read(self) -> tuple[TesteeRef, date]:
        """Whom it names, and the start date. Raises Invalid with every problem."""
        problems: list[Problem] = []
        testee = self.external_id if self.testee_id is None else self.testee_id
        if testee is None or (self.testee_id is not None and self.external_id is not None):
            problems.append(
                Problem("/testee_id", "exactly one of testee_id and external_id names the testee")
            )
        try:
            start_date = read_start_date(self.start_date)
        except InvalidStartDate as error:
            if not problems:
                raise
            problems += error.problems
        refuse(problems)
        assert testee is not None
        return testee, start_date


class TerminateBody(Body):
    """Why the testee leaves."""

    reason: ReasonCode
    note: Note | None = None


class EnrollmentView(Struct):
    """One testee in one plan, from a start date. `tasks_left` counts its pending and opened tasks."""

    id: UUID
    tenant_id: UUID
    plan_id: UUID
    testee_id: UUID
    round: int
    start_date: date
    shifts: tuple[Shift, ...]
    tasks_left: int
    status: EnrollmentStatus
    paused_at: datetime | None
    resumed_at: datetime | None
    reason: str | None
    created_at: datetime
    ended_at: datetime | None
    version: int

    @classmethod
    def of(cls, enrollment: Enrollment) -> "EnrollmentView":
        return cls(*_values(enrollment))


_values = attrgetter(*EnrollmentView.__struct_fields__)


class EnrollmentWithTasks(EnrollmentView):
    """An enrollment and its tasks in order."""

    tasks: list[TaskView]

    @classmethod
    def with_tasks(cls, enrollment: Enrollment, tasks: Sequence[AssessmentTask]) -> "EnrollmentWithTasks":
        values = [*_values(enrollment), task_views(tasks)]
        return cls(*values)


class GridTask(Struct):
    id: UUID
    seq: int
    status: TaskStatus
    planned_at: datetime


class GridRow(Struct):
    """An enrollment and, in order, how its tasks stand."""

    enrollment_id: UUID
    testee_id: UUID
    round: int
    start_date: date
    status: EnrollmentStatus
    tasks: list[GridTask]

    @classmethod
    def of(cls, enrollment: Enrollment, tasks: Sequence[AssessmentTask]) -> "GridRow":
        return cls(
            enrollment.id,
            enrollment.testee_id,
            enrollment.round,
            enrollment.start_date,
            enrollment.status,
            [GridTask(task.id, task.seq, task.status, task.planned_at) for task in tasks],
        )


class JoinedView(Struct):
    """The enrollment with its tasks; `created` is false where the call repeated one that existed."""

    created: bool
    enrollment: EnrollmentView
    tasks: list[TaskView]

    @classmethod
    def of(cls, joined: Joined) -> "JoinedView":
        return cls(joined.created, EnrollmentView.of(joined.enrollment), task_views(joined.tasks))


class TerminationView(Struct):
    """The enrollment that was ended, null where there was no live one, and how many tasks that canceled."""

    enrollment: EnrollmentView | None
    canceled: int

    @classmethod
    def of(cls, termination: Termination) -> "TerminationView":
        ended = termination.enrollment
        return cls(EnrollmentView.of(ended) if ended else None, termination.canceled)
