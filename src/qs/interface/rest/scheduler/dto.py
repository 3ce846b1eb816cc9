"""What the scheduler routes answer."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from qs.application.scheduler.reading import DutyState
from qs.domain.scheduler.execution import Execution, ExecutionStatus, FiredBy


class JobView(Struct):
    """A job as gocron's clients read it, with more beside. Instants are RFC 3339 in UTC."""

    id: UUID
    name: str
    next_run: Annotated[datetime | None, Meta(description="Null while nothing fires it by time.")]
    last_run: Annotated[
        datetime | None, Meta(description="When its newest execution began; null if it never ran.")
    ]
    last_status: ExecutionStatus | None
    type: Annotated[str, Meta(examples=["duration"])]
    schedule: Annotated[str, Meta(examples=["1m"])]
    timezone: str | None
    enabled: Annotated[bool, Meta(description="Whether the internal clock fires it.")]

    @classmethod
    def of(cls, state: DutyState) -> "JobView":
        duty, last = state.duty, state.last
        return cls(
            id=duty.id,
            name=duty.name,
            next_run=state.next_run,
            last_run=_utc(last.started_at or last.created_at) if last else None,
            last_status=last.status if last else None,
            type=duty.timing.kind,
            schedule=duty.timing.schedule,
            timezone=duty.timing.timezone,
            enabled=state.next_run is not None,
        )


class ExecutionItem(Struct, kw_only=True):
    """One firing of a job. ``lost``: who worked on it gave no sign of life; ``retried_as`` took over."""

    id: UUID
    name: str
    status: ExecutionStatus
    fired_by: FiredBy
    actor: str
    scheduled_at: Annotated[datetime | None, Meta(description="The slot it was fired for; null for a call.")]
    attempt: int
    retried_as: UUID | None
    created_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    duration_ms: int | None
    error: str | None


class ExecutionView(ExecutionItem, kw_only=True):
    """An execution with what was asked and what came of it."""

    parameters: Mapping[str, Any]
    result: Mapping[str, Any] | None


def execution_item(execution: Execution) -> ExecutionItem:
    """The execution as a row of a list."""
    return ExecutionItem(**_common(execution))


def execution_view(execution: Execution) -> ExecutionView:
    """The execution as its starter reads it."""
    return ExecutionView(**_common(execution), parameters=execution.parameters, result=execution.result)


def _common(execution: Execution) -> dict[str, Any]:
    started, finished = execution.started_at, execution.finished_at
    return {
        "id": execution.id,
        "name": execution.name,
        "status": execution.status,
        "fired_by": execution.fired_by,
        "actor": execution.actor,
        "scheduled_at": _utc(execution.scheduled_at),
        "attempt": execution.attempt,
        "retried_as": execution.retried_as,
        "created_at": _utc(execution.created_at),
        "started_at": _utc(started),
        "finished_at": _utc(finished),
        "duration_ms": round((finished - started).total_seconds() * 1000) if started and finished else None,
        "error": execution.error,
    }


def _utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.astimezone(UTC)
