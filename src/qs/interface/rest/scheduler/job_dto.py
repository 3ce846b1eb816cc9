"""What the routes of jobs answer: duties and jobs in one shape, which is gocron's with more beside."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct, structs

from qs.application.scheduler.authoring import Change
from qs.application.scheduler.job_documents import write_job
from qs.application.scheduler.job_reading import JobState, Previewed
from qs.application.scheduler.reading import DutyState
from qs.domain.scheduler.job import ConfigError, JobStatus
from qs.domain.scheduler.triggers import Language, Mark, MarkCode, Occurrence
from qs.interface.rest.scheduler.duties import duty_words
from qs.interface.rest.scheduler.execution_dto import (
    ExecutionItem,
    Status,
    duty_item,
    run_item,
    utc,
)


class Source(StrEnum):
    """Where a job is written down; only what is stored is changed here."""

    DUTY = "duty"
    STORED = "stored"
    DECLARED = "declared"
    CODE = "code"
    SYS_CRONTAB = "sys_crontab"


class Kind(StrEnum):
    """What runs: a duty of qs, or the kind of a job's target."""

    DUTY = "duty"
    BUILTIN = "builtin"
    HTTP = "http"
    COMMAND = "command"
    KUBERNETES = "kubernetes"


class JobErrorView(Struct):
    """Why a job cannot be carried out as it is written."""

    field: str
    value: str
    detail: str

    @classmethod
    def of(cls, error: ConfigError) -> "JobErrorView":
        return cls(error.field, error.value, error.detail)


class JobView(Struct, kw_only=True):
    """A job as gocron's clients read it, with more beside. Instants are RFC 3339 in UTC."""

    id: UUID
    name: str
    next_run: Annotated[datetime | None, Meta(description="Null while nothing fires it by time.")]
    last_run: Annotated[
        datetime | None, Meta(description="When its newest execution began; null if it never ran.")
    ]
    last_status: Status | None
    type: Annotated[str, Meta(examples=["duration"])]
    schedule: Annotated[str, Meta(examples=["1m"])]
    timezone: Annotated[str | None, Meta(description="As it was written; null for the scheduler's.")]
    enabled: Annotated[bool, Meta(description="Whether it is fired by time.")]
    words: Annotated[str | None, Meta(description="When it runs, in words; null where it never can.")]
    status: JobStatus
    error: JobErrorView | None
    kind: Kind
    source: Source
    owner: str | None
    queue: str | None
    priority: int | None


class JobDetail(JobView, kw_only=True):
    """A job with its document, complete: PUT it back to change it. A duty has none."""

    document: Mapping[str, Any] | None
    version: int | None
    runs: Annotated[int | None, Meta(description="How many of its slots have fired.")]
    created_at: datetime | None
    updated_at: datetime | None


class JobStatusView(Struct, kw_only=True):
    """How a job stands. `firing`: whether the clock of the tenant is on at all."""

    id: UUID
    name: str
    status: JobStatus
    enabled: bool
    firing: bool
    next_run: datetime | None
    error: JobErrorView | None
    last: ExecutionItem | None


class RecentRun(Struct):
    id: UUID
    status: Status


class RecentView(Struct):
    """The newest executions of a job, the oldest first."""

    job_id: UUID
    runs: list[RecentRun]


class JobTotals(Struct):
    """How many jobs the tenant has, by status; `duties` come on top."""

    total: int
    enabled: int
    active: int
    finished: int
    config_error: int
    duties: int


class FieldChange(Struct, rename={"from_": "from"}):
    from_: Any
    to: Any


class ChangeView(Struct):
    """What an application does to one job. `action`: created, changed, removed, unchanged or refused."""

    name: str
    action: str
    fields: dict[str, FieldChange]
    problem: str | None


class AppliedView(Struct):
    """What an application did, or would do when it is dry."""

    changes: list[ChangeView]
    counts: Annotated[dict[str, int], Meta(description="By action.")]
    dry_run: bool

    @classmethod
    def of(cls, changes: Iterable[Change], *, dry_run: bool) -> "AppliedView":
        views = [
            ChangeView(
                change.name,
                change.action,
                {key: FieldChange(before, after) for key, (before, after) in change.fields.items()},
                change.problem,
            )
            for change in changes
        ]
        counts = dict.fromkeys(("created", "changed", "removed", "unchanged"), 0)
        for view in views:
            counts[view.action] = counts.get(view.action, 0) + 1
        return cls(views, counts, dry_run)


class MarkView(Struct):
    """What is to be known about a slot: its `code`, by which of the others say more.

    `shifted`: its time does not exist on that day. `first`: its time comes twice, and this is the one that fires.
    `first_pass`, `second_pass`: its hour comes twice, and it fires in both. `clock_moved`: clocks were moved since the
    slot before. `left_out`: the calendar took dates out before it. `worked`: it is there because the calendar works on
    that day. `waited`: it waited for the end of a holiday.
    """

    code: MarkCode
    minutes: Annotated[int | None, Meta(description="By how many clocks were moved; forward if positive.")]
    dates: Annotated[int | None, Meta(description="How many dates were left out.")]
    calendar: Annotated[str | None, Meta(description="The name of the calendar that did it.")]

    @classmethod
    def of(cls, mark: Mark) -> "MarkView":
        return cls(mark.code, mark.minutes, mark.dates, mark.calendar)


class OccurrenceView(Struct):
    """A slot. `local` is the same by the zone's clocks; `dst`: moved out of a gap, or the first of two passes."""

    at: datetime
    local: datetime
    dst: Literal["shifted", "first"] | None
    marks: list[MarkView]


class UpcomingView(Struct):
    occurrences: list[OccurrenceView]


class PreviewView(Struct):
    """What a trigger would do."""

    words: str
    occurrences: list[OccurrenceView]
    warnings: Annotated[
        list[str], Meta(description="What is allowed and may not be meant, as `code: sentence`.")
    ]

    @classmethod
    def of(cls, previewed: Previewed, most: int | None) -> "PreviewView":
        slots = previewed.occurrences if most is None else previewed.occurrences[:most]
        return cls(previewed.words, occurrences(slots), list(previewed.warnings))


class BackfillView(Struct):
    """The slots of a range, and the executions that run them; none where it is dry."""

    slots: list[datetime]
    execution_ids: list[UUID]


def occurrences(slots: Iterable[Occurrence]) -> list[OccurrenceView]:
    return [
        OccurrenceView(slot.at, slot.local, slot.dst, [MarkView.of(mark) for mark in slot.marks])
        for slot in slots
    ]


def job_view(state: JobState) -> JobView:
    """A job as a row of the list."""
    job, last = state.job, state.last
    trigger = job.definition.trigger
    return JobView(
        id=job.id,
        name=job.name,
        next_run=utc(job.next_fire_at),
        last_run=utc(last.started_at or last.created_at) if last else None,
        last_status=Status(last.status.value) if last else None,
        type=trigger.type.value,
        schedule=trigger.schedule,
        timezone=trigger.timezone,
        enabled=job.definition.enabled,
        words=state.words,
        status=job.status,
        error=None if job.error is None else JobErrorView.of(job.error),
        kind=Kind(job.definition.target.kind),
        source=Source(job.source.value),
        owner=job.owner,
        queue=job.definition.queue,
        priority=job.definition.priority,
    )


def job_detail(state: JobState) -> JobDetail:
    """A job with all that was written about it."""
    job = state.job
    return JobDetail(
        **structs.asdict(job_view(state)),
        document=write_job(job.definition),
        version=job.version,
        runs=job.runs,
        created_at=utc(job.created_at),
        updated_at=utc(job.updated_at),
    )


def job_status(state: JobState, *, firing: bool) -> JobStatusView:
    view = job_view(state)
    return JobStatusView(
        id=view.id,
        name=view.name,
        status=view.status,
        enabled=view.enabled,
        firing=firing,
        next_run=view.next_run if firing else None,
        error=view.error,
        last=None if state.last is None else run_item(state.last),
    )


def duty_view_of(state: DutyState, language: Language) -> JobView:
    """A duty as a row of the list."""
    duty, last = state.duty, state.last
    return JobView(
        id=duty.id,
        name=duty.name,
        next_run=state.next_run,
        last_run=utc(last.started_at or last.created_at) if last else None,
        last_status=Status(last.status.value) if last else None,
        type=duty.timing.kind,
        schedule=duty.timing.schedule,
        timezone=duty.timing.timezone,
        enabled=state.next_run is not None,
        words=duty_words(duty, language),
        status=JobStatus.ACTIVE,
        error=None,
        kind=Kind.DUTY,
        source=Source.DUTY,
        owner=None,
        queue=None,
        priority=None,
    )


def duty_detail(state: DutyState, language: Language) -> JobDetail:
    return JobDetail(
        **structs.asdict(duty_view_of(state, language)),
        document=None,
        version=None,
        runs=None,
        created_at=None,
        updated_at=None,
    )


def duty_status(state: DutyState, *, firing: bool) -> JobStatusView:
    return JobStatusView(
        id=state.duty.id,
        name=state.duty.name,
        status=JobStatus.ACTIVE,
        enabled=state.next_run is not None,
        firing=firing,
        next_run=state.next_run,
        error=None,
        last=None if state.last is None else duty_item(state.last, state.duty.id),
    )
