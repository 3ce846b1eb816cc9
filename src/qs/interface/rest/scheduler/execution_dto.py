"""What the routes of executions read and answer: those of duties and those of jobs in one shape."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar
from uuid import UUID

from msgspec import Meta, Struct, json

from qs.domain.identity.principal import Principal
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.scheduler.execution import Execution
from qs.domain.scheduler.job_execution import JobExecution
from qs.interface.rest.bodies import Body
from qs.interface.rest.scheduler.permissions import shown_process

MOST_RESULT_BYTES = 16 * 1024
MOST_PAYLOAD_BYTES = 64 * 1024


class Status(StrEnum):
    """Where an execution stands. `lost`: who worked on a duty gave no sign of life; `retried_as` took over."""

    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELED = "canceled"
    REPLACED = "replaced"
    SKIPPED = "skipped"
    MISSED = "missed"
    EXPIRED = "expired"
    LOST = "lost"


class Fired(StrEnum):
    """What made an execution; only the clock consumes slots."""

    CLOCK = "clock"
    HTTP = "http"
    CLI = "cli"
    MANUAL = "manual"
    RETRY = "retry"
    BACKFILL = "backfill"
    CHAIN = "chain"
    MESSAGE = "message"


class RunBody(Body):
    """How a job is run now. The payload replaces the job's own."""

    payload: dict[str, Any] | None = None
    force: Annotated[bool, Meta(description="Beside one that is active, whatever the overlap policy.")] = (
        False
    )

    def checked_payload(self) -> dict[str, Any] | None:
        """Raises Invalid where it is too long."""
        refuse_longer("/payload", self.payload, MOST_PAYLOAD_BYTES)
        return self.payload


class ReportBody(Body):
    """How an execution ended whose target answers later."""

    succeeded: bool
    error: Annotated[str, Meta(max_length=2000)] | None = None
    result: dict[str, Any] | None = None

    def checked_result(self) -> dict[str, Any] | None:
        """Raises Invalid where it is too long."""
        refuse_longer("/result", self.result, MOST_RESULT_BYTES)
        return self.result


class ExecutionItem(Struct, kw_only=True):
    """One firing of a job or a duty. Instants are RFC 3339 in UTC.

    `stands_for`: how many missed slots the row tells of. `blocked_by`: the execution it was skipped for or waits behind.
    """

    id: UUID
    job_id: Annotated[UUID | None, Meta(description="Null for a duty that is no more.")]
    name: str
    status: Status
    fired_by: Fired
    actor: str
    scheduled_at: Annotated[datetime | None, Meta(description="The slot it was fired for; null for a call.")]
    attempt: int
    retried_as: UUID | None
    parent_id: Annotated[UUID | None, Meta(description="The execution it retries or follows.")]
    blocked_by: UUID | None
    stands_for: int
    queue: str | None
    priority: int | None
    worker: Annotated[
        str | None, Meta(description="Its process, without host and number for who may not know them.")
    ]
    created_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    duration_ms: int | None
    error: str | None


class AttemptView(Struct):
    """One try of an execution. `outcome` is null while it lasts."""

    number: int
    worker: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    code: Annotated[
        str | None, Meta(description="What `retry_on` is matched against.", examples=["http:503"])
    ]
    error: str | None


class ExecutionView(ExecutionItem, kw_only=True):
    """An execution with what was asked and what came of it. `parameters` are a duty's or the payload of a job."""

    parameters: Mapping[str, Any]
    result: Mapping[str, Any] | None
    attempts: list[AttemptView]
    awaited: Annotated[bool, Meta(description="Its target answers later; POST …/report tells how it ended.")]
    cancel_requested: Status | None
    available_at: datetime | None
    start_before: datetime | None
    end_before: datetime | None
    request_id: str | None


Item = TypeVar("Item", bound=ExecutionItem)


class ReportedView(Struct):
    """Where an execution stands after its outcome was reported."""

    id: UUID
    status: Status


def seen_by(caller: Principal, item: Item) -> Item:
    """The same, without the names of machines where the caller may not know them."""
    shown = shown_process(caller)
    if item.worker is not None:
        item.worker = shown(item.worker)
    for attempt in item.attempts if isinstance(item, ExecutionView) else ():
        attempt.worker = shown(attempt.worker)
    return item


def duty_item(execution: Execution, job_id: UUID | None) -> ExecutionItem:
    """A duty's execution as a row of a list."""
    return ExecutionItem(**_of_duty(execution, job_id))


def duty_view(execution: Execution, job_id: UUID | None) -> ExecutionView:
    """A duty's execution as its starter reads it."""
    return ExecutionView(
        **_of_duty(execution, job_id),
        parameters=execution.parameters,
        result=execution.result,
        attempts=[],
        awaited=False,
        cancel_requested=None,
        available_at=None,
        start_before=None,
        end_before=None,
        request_id=None,
    )


def run_item(execution: JobExecution) -> ExecutionItem:
    """A job's execution as a row of a list."""
    return ExecutionItem(**_of_run(execution))


def run_view(execution: JobExecution, attempts: Sequence[Mapping[str, Any]]) -> ExecutionView:
    """A job's execution with its attempts."""
    return ExecutionView(
        **_of_run(execution),
        parameters=execution.payload,
        result=execution.result,
        attempts=[_attempt(each) for each in attempts],
        awaited=execution.awaited,
        cancel_requested=None
        if execution.cancel_requested is None
        else Status(execution.cancel_requested.value),
        available_at=utc(execution.available_at),
        start_before=utc(execution.start_before),
        end_before=utc(execution.end_before),
        request_id=execution.request_id,
    )


def utc(instant: datetime | None) -> datetime | None:
    """The instant as it is written on the wire."""
    return None if instant is None else instant.astimezone(UTC)


def _attempt(row: Mapping[str, Any]) -> AttemptView:
    return AttemptView(
        number=row["number"],
        worker=row["worker"],
        started_at=row["started_at"].astimezone(UTC),
        finished_at=utc(row["finished_at"]),
        outcome=row["outcome"],
        code=row["code"],
        error=row["error"],
    )


def _of_duty(execution: Execution, job_id: UUID | None) -> dict[str, Any]:
    return {
        "id": execution.id,
        "job_id": job_id,
        "name": execution.name,
        "status": Status(execution.status.value),
        "fired_by": Fired(execution.fired_by.value),
        "actor": execution.actor,
        "scheduled_at": utc(execution.scheduled_at),
        "attempt": execution.attempt,
        "retried_as": execution.retried_as,
        "parent_id": None,
        "blocked_by": None,
        "stands_for": 1,
        "queue": None,
        "priority": None,
        "worker": execution.worker,
        "error": execution.error,
        **_times(execution),
    }


def _of_run(execution: JobExecution) -> dict[str, Any]:
    return {
        "id": execution.id,
        "job_id": execution.job_id,
        "name": execution.job_name,
        "status": Status(execution.status.value),
        "fired_by": Fired(execution.fired_by.value),
        "actor": execution.actor,
        "scheduled_at": utc(execution.scheduled_at),
        "attempt": execution.attempt,
        "retried_as": None,
        "parent_id": execution.parent_id,
        "blocked_by": execution.blocked_by,
        "stands_for": execution.stands_for,
        "queue": execution.queue,
        "priority": execution.priority,
        "worker": execution.worker,
        "error": execution.error,
        **_times(execution),
    }


def _times(execution: Execution | JobExecution) -> dict[str, Any]:
    started, finished = execution.started_at, execution.finished_at
    return {
        "created_at": utc(execution.created_at),
        "started_at": utc(started),
        "finished_at": utc(finished),
        "duration_ms": round((finished - started).total_seconds() * 1000) if started and finished else None,
    }


def refuse_longer(pointer: str, value: Mapping[str, Any] | None, most: int) -> None:
    """Raises Invalid where the value has more bytes as JSON."""
    if value is not None and len(json.encode(value)) > most:
        raise Invalid([Problem(pointer, f"must be at most {most // 1024} KiB as JSON")])
