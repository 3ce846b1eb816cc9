"""Jobs and their executions as `--json` gives them."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from msgspec import Struct

from qs.application.scheduler.job_documents import write_job
from qs.application.scheduler.job_reading import JobState
from qs.domain.scheduler.job import ConfigError, JobSource, JobStatus
from qs.domain.scheduler.job_execution import JobExecution, RunFiredBy, RunStatus
from qs.domain.scheduler.triggers import Mark, Occurrence
from qs.infra.scheduler.files.showing import masked

if TYPE_CHECKING:
    pass


class JobItem(Struct, kw_only=True):
    """A job as a row of a list, named as the HTTP interface names it. Instants are RFC 3339 in UTC."""

    id: UUID
    name: str
    next_run: datetime | None
    last_run: datetime | None
    last_status: RunStatus | None
    type: str
    schedule: str
    timezone: str | None
    enabled: bool
    words: str | None
    status: JobStatus
    error: ConfigError | None
    kind: str
    source: JobSource
    owner: str | None
    queue: str
    priority: int


class JobDetails(JobItem, kw_only=True):
    """A job with all that was written of it; in ``document`` what looks secret is masked."""

    document: dict[str, Any]
    version: int
    runs: int
    created_at: datetime | None
    updated_at: datetime | None


class ExecutionItem(Struct, kw_only=True):
    """One run of a job as a row of a list, named as the HTTP interface names it."""

    id: UUID
    job_id: UUID
    name: str
    status: RunStatus
    fired_by: RunFiredBy
    actor: str
    scheduled_at: datetime | None
    attempt: int
    parent_id: UUID | None
    blocked_by: UUID | None
    stands_for: int
    queue: str
    priority: int
    worker: str | None
    created_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    duration_ms: int | None
    error: str | None


class ExecutionDetails(ExecutionItem, kw_only=True):
    """A run with what it was given and what came of it."""

    parameters: dict[str, Any]
    result: dict[str, Any] | None
    awaited: bool
    cancel_requested: RunStatus | None


class Slot(Struct):
    """``at`` is in UTC, ``local`` the same by the clocks of its zone; ``marks`` say what these and a calendar did."""

    at: datetime
    local: datetime
    dst: str | None
    marks: list[dict[str, Any]]


def job_item(state: JobState) -> JobItem:
    return JobItem(**_facts(state))


def job_details(state: JobState) -> JobDetails:
    job = state.job
    return JobDetails(
        **_facts(state),
        document=masked(write_job(job.definition)),
        version=job.version,
        runs=job.runs,
        created_at=_utc(job.created_at),
        updated_at=_utc(job.updated_at),
    )


def execution_item(execution: JobExecution) -> ExecutionItem:
    return ExecutionItem(**_of_run(execution))


def execution_details(execution: JobExecution) -> ExecutionDetails:
    return ExecutionDetails(
        **_of_run(execution),
        parameters=dict(execution.payload),
        result=None if execution.result is None else dict(execution.result),
        awaited=execution.awaited,
        cancel_requested=execution.cancel_requested,
    )


def duration_ms(execution: JobExecution) -> int | None:
    """How long it took from its beginning to its end; None before that, and where it never began."""
    started, finished = execution.started_at, execution.finished_at
    return round((finished - started).total_seconds() * 1000) if started and finished else None


def slots(occurrences: Iterable[Occurrence]) -> list[Slot]:
    return [Slot(each.at, each.local, each.dst, [_said(mark) for mark in each.marks]) for each in occurrences]


def _said(mark: Mark) -> dict[str, Any]:
    """The mark as the HTTP interface names its fields, without those that say nothing."""
    return {name: value for name, value in asdict(mark).items() if value is not None}


def _facts(state: JobState) -> dict[str, Any]:
    job, last = state.job, state.last
    return {
        "id": job.id,
        "name": job.name,
        "next_run": _utc(job.next_fire_at),
        "last_run": _utc(last.started_at or last.created_at) if last else None,
        "last_status": last.status if last else None,
        "type": job.definition.trigger.type.value,
        "schedule": job.definition.trigger.schedule,
        "timezone": job.definition.trigger.timezone,
        "enabled": job.definition.enabled,
        "words": state.words,
        "status": job.status,
        "error": job.error,
        "kind": job.definition.target.kind,
        "source": job.source,
        "owner": job.owner,
        "queue": job.definition.queue,
        "priority": job.definition.priority,
    }


def _of_run(execution: JobExecution) -> dict[str, Any]:
    return {
        "id": execution.id,
        "job_id": execution.job_id,
        "name": execution.job_name,
        "status": execution.status,
        "fired_by": execution.fired_by,
        "actor": execution.actor,
        "scheduled_at": _utc(execution.scheduled_at),
        "attempt": execution.attempt,
        "parent_id": execution.parent_id,
        "blocked_by": execution.blocked_by,
        "stands_for": execution.stands_for,
        "queue": execution.queue,
        "priority": execution.priority,
        "worker": execution.worker,
        "created_at": _utc(execution.created_at),
        "started_at": _utc(execution.started_at),
        "finished_at": _utc(execution.finished_at),
        "duration_ms": duration_ms(execution),
        "error": execution.error,
    }


def _utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.astimezone(UTC)
