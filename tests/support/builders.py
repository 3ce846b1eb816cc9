"""Objects of the plan's domain; a test names only the field that matters to it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from uuid_utils.compat import uuid7

from qs.domain.kernel.event import Event
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.plan.enrollment import Enrollment, Newcomer, enroll
from qs.domain.plan.entry import Entry
from qs.domain.plan.plan import AssessmentPlan
from qs.domain.plan.schedule import Schedule
from qs.domain.plan.task import AssessmentTask, TaskStatus
from qs.domain.plan.terms import Terms

SHANGHAI = "Asia/Shanghai"
EARLY = datetime(2026, 1, 1, tzinfo=UTC)
"""Before everything that the tests' plans ask for."""

Recording = TypeVar("Recording", AssessmentPlan, AssessmentTask, Enrollment)
_WEEK = timedelta(days=7)
_SCHEDULE = (
    "schedule_type",
    "interval",
    "total_times",
    "relative_weeks",
    "relative_days",
    "relative_months",
    "fixed_dates",
    "trigger_time",
)


def at(text: str, zone: str = SHANGHAI) -> datetime:
    """The instant of a wall time ``YYYY-MM-DD[ HH:MM[:SS]]``; a date alone is 19:00, when plans trigger."""
    wall = datetime.fromisoformat(text if " " in text else f"{text} 19:00")
    return wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def local(instant: datetime | None, zone: str = SHANGHAI) -> str | None:
    """The wall time of an instant, as ``at`` reads it."""
    return instant.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M") if instant else None


def a_plan(**fields: Any) -> AssessmentPlan:
    """An active plan, weekly for four weeks unless said; the fields are those of the API."""
    timezone = fields.pop("timezone", SHANGHAI)
    schedule = {name: fields.pop(name) for name in _SCHEDULE if name in fields}
    if "schedule_type" not in schedule:
        schedule = {"schedule_type": "by_week", "interval": 1, "total_times": 4} | schedule
    terms = Terms.of(schedule_type=schedule["schedule_type"], **({"name": "Follow-up"} | fields))
    return AssessmentPlan(
        uuid7(), DEFAULT_TENANT, "PHQ-9", Schedule.of(**schedule), terms, timezone, EARLY, EARLY
    )


def edited(plan: AssessmentPlan, now: datetime = EARLY, **fields: Any) -> AssessmentPlan:
    """The same plan after an edit of the given schedule or term fields."""
    schedule = {name: getattr(plan.schedule, name) or None for name in _SCHEDULE}
    terms = {name: getattr(plan.terms, name) for name in Terms.__slots__}
    timezone = fields.pop("timezone", plan.timezone)
    for name in list(fields):
        (schedule if name in _SCHEDULE else terms)[name] = fields.pop(name)
    kind = schedule["schedule_type"]
    plan.edit(
        plan.scale_code,
        Schedule.of(**schedule),
        Terms.of(schedule_type=kind, **terms),
        timezone,
        enrolled=True,
        now=now,
    )
    return plan


def joined(
    plan: AssessmentPlan,
    start: str = "2026-07-01",
    *,
    now: datetime | None = None,
    timezone: str | None = None,
    round_: int = 1,
) -> tuple[Enrollment, list[AssessmentTask]]:
    """A testee enrolled at the start of the start date unless said, and the tasks, with no event left recorded."""
    newcomer = Newcomer(uuid7(), timezone, date.fromisoformat(start))
    enrollment, tasks = enroll(plan, newcomer, round_, now or at(f"{start} 00:00"), uuid7)
    return forgetting(enrollment), tasks


def a_task(**fields: Any) -> AssessmentTask:
    """A pending task planned for 2026-07-01 19:00 in Shanghai, due and closing a week later."""
    defaults: dict[str, Any] = {
        "id": uuid7(),
        "tenant_id": DEFAULT_TENANT,
        "plan_id": uuid7(),
        "enrollment_id": uuid7(),
        "testee_id": uuid7(),
        "scale_code": "PHQ-9",
        "seq": 1,
        "planned_at": at("2026-07-01"),
        "timezone": SHANGHAI,
        "due_at": at("2026-07-08"),
        "closes_at": at("2026-07-08"),
        "created_at": EARLY,
    }
    return AssessmentTask(**(defaults | fields))


def an_entry(task: AssessmentTask, expires_at: datetime, *, generation: int = 1, key_id: str = "k1") -> Entry:
    """An entry whose token nobody asks for."""
    token = UUID(int=generation)
    return Entry(
        task.id, key_id, generation, expires_at, lambda _: token, lambda _, known: f"https://x/{known}"
    )


def opened(
    task: AssessmentTask, now: datetime | None = None, *, expires_at: datetime | None = None
) -> AssessmentTask:
    """The task opened by the sweep, at its planned instant and for a week unless said."""
    opening = now or task.planned_at
    task.open(an_entry(task, expires_at or opening + _WEEK), opening)
    return forgetting(task)


def completed(task: AssessmentTask, now: datetime | None = None) -> AssessmentTask:
    """The task answered, at the instant it was planned for unless said."""
    if task.status is TaskStatus.PENDING:
        opened(task)
    task.complete("assessment-1", now or task.planned_at)
    return forgetting(task)


def forgetting(subject: Recording) -> Recording:
    """The aggregate without the events it recorded so far, as after a commit."""
    subject.recorded = []
    return subject


def names(subject: Any) -> list[str]:
    """The events an aggregate has recorded."""
    return [event.name for event in subject.recorded]


def payload(event: Event) -> Any:
    """What an event tells, whichever it is."""
    return event.payload


def planned(tasks: Any) -> list[str]:
    """The wall times of tasks or occasions in order of seq."""
    return [str(local(task.planned_at)) for task in sorted(tasks, key=lambda each: each.seq)]
