"""What the routes of plans read and answer."""

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, Struct, field

from qs.application.plan.authoring import Edit, Preview
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.kernel.zones import Flag
from qs.domain.plan.editing import Action, Change
from qs.domain.plan.plan import AssessmentPlan, PlanStatus, ResumePolicy
from qs.domain.plan.reminders import MAX_REMINDERS, ReminderKind
from qs.domain.plan.schedule import ScheduleType
from qs.domain.plan.terms import MAX_MISSED, CatchUp, NotifyOnExpiry
from qs.interface.rest.bodies import Body

# A null means nothing on these; leaving the field out keeps what the plan has.
_NEVER_NULL = ("scale_code", "timezone", "trigger_time", "catch_up")


def _raw(kind: str, example: Any, description: str = "", **more: Any) -> Meta:
    """The schema of a field that arrives as it was sent: its rules are the domain's, which names all problems at once."""
    return Meta(
        description=description or None,
        examples=[example],
        extra_json_schema={"extra": {"type": kind, **more}},
    )


def _offsets(unit: str, most: int) -> Meta:
    items = {"type": "integer", "minimum": 0, "maximum": most}
    return _raw(
        "array",
        [2, 4, 8, 12, 18],
        f"custom only: {unit} after the start date, strictly increasing; exactly one relative list is given.",
        items=items,
        minItems=1,
        maxItems=100,
    )


def _days(description: str) -> Meta:
    return _raw("integer", 7, description, minimum=1, maximum=366)


_LENGTH = {"type": "string", "minLength": 2, "maxLength": 40}
_ALERT_AFTER = Meta(
    description="Staff are alerted when so many occasions of one enrollment in a row were missed; 0: never; null: as the "
    "installation has it.",
    examples=[2],
    extra_json_schema={"extra": {"type": ["integer", "null"], "minimum": 0, "maximum": MAX_MISSED}},
)
_REMINDERS = _raw(
    "array",
    [{"after": "2d"}, {"before_expiry": "24h"}],
    "When testees are reminded of an open task: so long after its opening, or before the end of its link.",
    items={
        "type": "object",
        "properties": {str(kind): _LENGTH for kind in ReminderKind},
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    },
    maxItems=MAX_REMINDERS,
)


class ScheduleBody(Body):
    """When occasions fall; each `schedule_type` takes its own fields and no other."""

    schedule_type: Annotated[Any, _raw("string", "by_week", enum=list(ScheduleType))] = UNSET
    interval: Annotated[
        Any,
        _raw("integer", 2, "by_day, by_week, by_month: the step between occasions.", minimum=1, maximum=366),
    ] = UNSET
    total_times: Annotated[
        Any, _raw("integer", 4, "by_*: how many; else the length of the list.", minimum=1, maximum=100)
    ] = UNSET
    relative_weeks: Annotated[Any, _offsets("weeks", 5_200)] = UNSET
    relative_days: Annotated[Any, _offsets("days", 36_500)] = UNSET
    relative_months: Annotated[Any, _offsets("months", 1_200)] = UNSET
    fixed_dates: Annotated[
        Any, _raw("array", ["2026-07-01"], "fixed_date only.", items={"type": "string", "format": "date"})
    ] = UNSET
    trigger_time: Annotated[Any, _raw("string", "19:00", "Wall time of every occasion, HH:MM[:SS].")] = UNSET
    timezone: Annotated[Any, _raw("string", "Asia/Shanghai", "IANA name; the tenant's if left out.")] = UNSET
    due_days: Annotated[Any, _days("Civil days until an answer is late.")] = UNSET

    def given(self) -> dict[str, Any]:
        """The fields that were sent, as they were sent."""
        values = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return {name: value for name, value in values if value is not UNSET}


class PlanBody(ScheduleBody):
    """A plan. `name`, `scale_code` and `schedule_type` are needed to create one; a change names what it changes."""

    name: Annotated[Any, _raw("string", "PHQ-9 every other week", minLength=1, maxLength=200)] = UNSET
    scale_code: Annotated[Any, _raw("string", "PHQ-9", "A published scale of the catalogue.")] = UNSET
    entry_ttl_days: Annotated[Any, _days("Civil days a link lives.")] = UNSET
    catch_up_days: Annotated[
        Any,
        Meta(
            description="Civil days in which a task may still be opened; null: for ever.",
            examples=[7],
            extra_json_schema={"extra": {"type": ["integer", "null"], "minimum": 1, "maximum": 366}},
        ),
    ] = UNSET
    catch_up: Annotated[Any, _raw("string", "all", "latest by default for by_day.", enum=list(CatchUp))] = (
        UNSET
    )
    notify_on_expiry: Annotated[Any, _raw("string", "staff", enum=list(NotifyOnExpiry))] = UNSET
    reminders: Annotated[Any, _REMINDERS] = UNSET
    alert_after_missed: Annotated[Any, _ALERT_AFTER] = UNSET

    def changes(self) -> dict[str, Any]:
        """What an edit is to change. Raises Invalid for a null where null says nothing."""
        given = self.given()
        nulls = [name for name in _NEVER_NULL if name in given and given[name] is None]
        if nulls:
            raise Invalid(Problem(f"/{name}", "must not be null; leave it out to keep it") for name in nulls)
        return given


class PreviewBody(ScheduleBody):
    """A schedule and the date it would start from."""

    start_date: Annotated[Any, _raw("string", "2026-07-01", "Not used by fixed_date.", format="date")] = UNSET


class ResumeBody(Body):
    """What becomes of the occasions that fell into the pause."""

    policy: ResumePolicy = ResumePolicy.KEEP


class PlanView(Struct):
    """A plan. Fields that its schedule_type does not take are null."""

    id: UUID
    tenant_id: UUID
    name: str
    scale_code: str
    schedule_type: ScheduleType
    interval: int | None
    total_times: int
    relative_weeks: tuple[int, ...] | None
    relative_days: tuple[int, ...] | None
    relative_months: tuple[int, ...] | None
    fixed_dates: tuple[date, ...] | None
    trigger_time: Annotated[time, Meta(examples=["19:00:00"])]
    timezone: str
    due_days: int
    entry_ttl_days: int
    catch_up_days: int | None
    catch_up: CatchUp
    reminders: Annotated[
        list[Mapping[ReminderKind, str]], Meta(examples=[[{"after": "2d"}, {"before_expiry": "24h"}]])
    ]
    notify_on_expiry: NotifyOnExpiry
    alert_after_missed: int | None
    status: PlanStatus
    paused_at: datetime | None
    resumed_at: datetime | None
    revision: Annotated[
        int, Meta(description="Grows with every edit; tasks name the one they were planned by.")
    ]
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, plan: AssessmentPlan) -> "PlanView":
        schedule, terms = plan.schedule, plan.terms
        return cls(
            id=plan.id,
            tenant_id=plan.tenant_id,
            name=terms.name,
            scale_code=plan.scale_code,
            schedule_type=schedule.schedule_type,
            interval=schedule.interval,
            total_times=schedule.total_times,
            relative_weeks=schedule.relative_weeks or None,
            relative_days=schedule.relative_days or None,
            relative_months=schedule.relative_months or None,
            fixed_dates=schedule.fixed_dates or None,
            trigger_time=schedule.trigger_time,
            timezone=plan.timezone,
            due_days=terms.due_days,
            entry_ttl_days=terms.entry_ttl_days,
            catch_up_days=terms.catch_up_days,
            catch_up=terms.catch_up,
            reminders=[{each.kind: each.text} for each in terms.reminders],
            notify_on_expiry=terms.notify_on_expiry,
            alert_after_missed=terms.alert_after_missed,
            status=plan.status,
            paused_at=plan.paused_at,
            resumed_at=plan.resumed_at,
            revision=plan.revision,
            created_at=plan.created_at,
            updated_at=plan.updated_at,
            version=plan.version,
        )


class ChangeView(Struct):
    """What an edit would do to one task; a task that it would create has no id yet."""

    task_id: UUID | None
    enrollment_id: UUID
    seq: int
    action: Action
    before: datetime | None = field(name="from")
    after: datetime | None = field(name="to")

    @classmethod
    def of(cls, change: Change) -> "ChangeView":
        task_id = None if change.action == "create" else change.task_id
        return cls(task_id, change.enrollment_id, change.seq, change.action, change.before, change.after)


class EditView(Struct):
    """What an edit would do to the tasks of live enrollments."""

    changes: list[ChangeView]
    counts: Mapping[str, int]

    @classmethod
    def of(cls, edit: Edit) -> "EditView":
        return cls([ChangeView.of(change) for change in edit.changes], edit.counts)


class OccasionView(Struct):
    """`flag`: the wall time does not exist that day (`gap`) or exists twice (`fold`)."""

    seq: int
    date: date
    planned_at: datetime
    due_at: datetime
    flag: Flag | None


class PreviewView(Struct):
    """What the schedule comes to; `skipped` are dates that the zone's calendar leaves out."""

    occasions: list[OccasionView]
    skipped: list[date]

    @classmethod
    def of(cls, preview: Preview) -> "PreviewView":
        occasions = [OccasionView(o.seq, o.date, o.planned_at, o.due_at, o.flag) for o in preview.occasions]
        return cls(occasions, list(preview.skipped))
