"""Rows to domain objects and back; the one place that knows both shapes."""

from collections.abc import Sequence
from datetime import time
from typing import Any

import msgspec
from sqlalchemy.engine import Row

from qs.domain.kernel.errors import Problem
from qs.domain.plan.enrollment import Enrollment, EnrollmentStatus
from qs.domain.plan.plan import AssessmentPlan, PlanStatus
from qs.domain.plan.reminders import Reminder, read_reminders
from qs.domain.plan.scale import Scale
from qs.domain.plan.schedule import Schedule, ScheduleType, Shift
from qs.domain.plan.task import AssessmentTask, TaskStatus
from qs.domain.plan.terms import CatchUp, NotifyOnExpiry, Terms

TASK_COLUMNS = (
    "id, tenant_id, plan_id, enrollment_id, testee_id, scale_code, seq, planned_at, timezone, due_at, closes_at,"
    " status, opened_at, expires_at, completed_at, expired_at, canceled_at, reason, note, pinned, dropped,"
    " assessment_id, schedule_revision, entry_keys, attempts, last_error, next_attempt_at, history::text, created_at,"
    " version"
)
"""The columns of a task in the order of AssessmentTask's fields."""

ENROLLMENT_COLUMNS = (
    "id, tenant_id, plan_id, testee_id, round, start_date, created_at, tasks_left, shifts::text, status, paused_at,"
    " resumed_at, reason, ended_at, version"
)

PLAN_COLUMNS = (
    "id, tenant_id, name, scale_code, schedule_type, interval, total_times, relative_weeks, relative_days,"
    " relative_months, fixed_dates, trigger_time, timezone, due_days, entry_ttl_days, catch_up_days, catch_up,"
    " notify_on_expiry, reminders, alert_after_missed, status, paused_at, resumed_at, revision, created_at, updated_at, version"
)


def prefixed(columns: str, alias: str) -> str:
    """The same columns, each of the table ``alias``."""
    return ", ".join(f"{alias}.{column.strip()}" for column in columns.split(","))


def task_of(row: Sequence[Any]) -> AssessmentTask:
    """A task from a row of TASK_COLUMNS."""
    values = list(row)
    values[11] = TaskStatus(values[11])
    values[23] = tuple(values[23])
    values[27] = msgspec.json.decode(values[27])
    return AssessmentTask(*values)


def enrollment_of(row: Sequence[Any]) -> Enrollment:
    """An enrollment from a row of ENROLLMENT_COLUMNS."""
    values = list(row)
    values[8] = tuple(Shift(s["from_seq"], s["days"]) for s in msgspec.json.decode(values[8]))
    values[9] = EnrollmentStatus(values[9])
    return Enrollment(*values)


def shifts_json(enrollment: Enrollment) -> str:
    return msgspec.json.encode(enrollment.shifts).decode()


def plan_of(row: Row[Any]) -> AssessmentPlan:
    """A plan from a row of PLAN_COLUMNS."""
    return AssessmentPlan(
        id=row.id,
        tenant_id=row.tenant_id,
        scale_code=row.scale_code,
        schedule=Schedule(
            ScheduleType(row.schedule_type),
            row.total_times,
            row.interval,
            tuple(row.relative_weeks or ()),
            tuple(row.relative_days or ()),
            tuple(row.relative_months or ()),
            tuple(row.fixed_dates or ()),
            row.trigger_time,
        ),
        terms=Terms(
            row.name,
            row.due_days,
            row.entry_ttl_days,
            row.catch_up_days,
            CatchUp(row.catch_up),
            NotifyOnExpiry(row.notify_on_expiry),
            reminders_of(row.reminders),
            row.alert_after_missed,
        ),
        timezone=row.timezone,
        created_at=row.created_at,
        updated_at=row.updated_at,
        status=PlanStatus(row.status),
        paused_at=row.paused_at,
        resumed_at=row.resumed_at,
        revision=row.revision,
        version=row.version,
    )


def plan_values(plan: AssessmentPlan) -> dict[str, Any]:
    """The columns of a plan, all but its version."""
    schedule, terms = plan.schedule, plan.terms
    trigger_time: time = schedule.trigger_time
    return {
        "id": plan.id,
        "tenant_id": plan.tenant_id,
        "name": terms.name,
        "scale_code": plan.scale_code,
        "schedule_type": schedule.schedule_type.value,
        "interval": schedule.interval,
        "total_times": schedule.total_times,
        "relative_weeks": list(schedule.relative_weeks) or None,
        "relative_days": list(schedule.relative_days) or None,
        "relative_months": list(schedule.relative_months) or None,
        "fixed_dates": list(schedule.fixed_dates) or None,
        "trigger_time": trigger_time,
        "timezone": plan.timezone,
        "due_days": terms.due_days,
        "entry_ttl_days": terms.entry_ttl_days,
        "catch_up_days": terms.catch_up_days,
        "catch_up": terms.catch_up.value,
        "notify_on_expiry": terms.notify_on_expiry.value,
        "reminders": [{each.kind.value: each.text} for each in terms.reminders],
        "alert_after_missed": terms.alert_after_missed,
        "status": plan.status.value,
        "paused_at": plan.paused_at,
        "resumed_at": plan.resumed_at,
        "revision": plan.revision,
        "created_at": plan.created_at,
        "updated_at": plan.updated_at,
    }


def reminders_of(stored: object) -> tuple[Reminder, ...]:
    """The reminders of a plan as it is stored, be it text or a document."""
    entries = msgspec.json.decode(stored) if isinstance(stored, str) else stored
    problems: list[Problem] = []
    found = read_reminders(entries, problems)
    assert not problems, "a plan keeps no reminders that it would not take"
    return found


def scale_of(row: Row[Any]) -> Scale:
    return Scale(row.tenant_id, row.code, row.title, row.version, row.published, row.created_at)
