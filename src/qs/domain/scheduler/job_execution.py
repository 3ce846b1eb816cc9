"""One run of a job: what it was fired for, its attempts, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from qs.domain.scheduler.execution import Lease
from qs.domain.scheduler.policies import Retry

JOB_LEASE = Lease(length=timedelta(seconds=12), heartbeat=timedelta(seconds=4))


class RunStatus(StrEnum):
    """Where a run stands. Terminal ones are written once.

    ``queued`` waits for a worker, or behind another run of its job; ``retrying`` waits for its next attempt;
    ``missed`` and ``skipped`` never began; ``expired`` did not begin in time.
    """

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

    @property
    def is_active(self) -> bool:
        """Whether it counts as an active run of its job, from its claim to its end."""
        return self in ACTIVE

    @property
    def is_terminal(self) -> bool:
        return self not in ACTIVE


ACTIVE = frozenset({RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.RETRYING})
FAILED_ENDS = frozenset({RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.EXPIRED})


class RunFiredBy(StrEnum):
    """What made a run; only the clock consumes slots."""

    CLOCK = "clock"
    MANUAL = "manual"
    RETRY = "retry"
    BACKFILL = "backfill"
    CHAIN = "chain"
    MESSAGE = "message"


class AttemptEnd(StrEnum):
    """How an attempt ended; ``lost`` is that its worker gave no sign of life."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELED = "canceled"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobExecution:
    """A run as it is stored. All instants are system time (aware UTC).

    ``scheduled_at`` is the slot; None for what consumed none. ``attempt`` counts the attempts begun, ``epoch`` is the
    fencing term of whoever holds it. ``available_at`` is when it may be claimed; None while it waits behind another
    run. ``stands_for`` is how many missed slots this row tells of. ``blocked_by`` is the run it was skipped for.
    """

    id: UUID
    tenant_id: UUID
    job_id: UUID
    job_name: str
    fired_by: RunFiredBy
    actor: str
    status: RunStatus
    queue: str = "default"
    priority: int = 0
    payload: Mapping[str, Any] = field(default_factory=dict)
    scheduled_at: datetime | None = None
    attempt: int = 0
    lost_attempts: int = 0
    epoch: int = 0
    worker: str | None = None
    lease_until: datetime | None = None
    available_at: datetime | None = None
    start_before: datetime | None = None
    end_before: datetime | None = None
    cancel_requested: RunStatus | None = None
    awaited: bool = False
    stands_for: int = 1
    blocked_by: UUID | None = None
    parent_id: UUID | None = None
    idempotency_key: str | None = None
    request_id: str | None = None
    result: Mapping[str, Any] | None = None
    error: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def key(self) -> str:
        """What every attempt tells its target, so that the target can know a repetition."""
        if self.scheduled_at is None:
            return self.idempotency_key or str(self.id)
        return f"{self.job_id}:{self.scheduled_at.isoformat()}"


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What follows from the end of an attempt: a terminal status, or another attempt at ``again_at``."""

    status: RunStatus
    again_at: datetime | None = None


def conclude(
    execution: JobExecution,
    end: AttemptEnd,
    *,
    code: str | None,
    permanent: bool,
    retry: Retry,
    now: datetime,
    chance: float,
) -> Conclusion:
    """Where a run stands after its current attempt ended so.

    A lost attempt is tried again at once: one loss even where the policy allows a single attempt. What was asked to
    stop stops, however its attempt ended, unless it had succeeded by then.
    """
    if end is AttemptEnd.SUCCEEDED:
        return Conclusion(RunStatus.SUCCEEDED)
    if execution.cancel_requested is not None:
        return Conclusion(execution.cancel_requested)
    if end is AttemptEnd.CANCELED:
        return Conclusion(RunStatus.CANCELED)
    final = RunStatus.TIMED_OUT if end is AttemptEnd.TIMED_OUT else RunStatus.FAILED
    if execution.end_before is not None and now >= execution.end_before:
        return Conclusion(RunStatus.TIMED_OUT)
    if end is AttemptEnd.LOST:
        again = execution.lost_attempts == 0 or execution.attempt < retry.max_attempts
        return Conclusion(RunStatus.RETRYING, now) if again else Conclusion(final)
    delay = retry.next_delay(execution.attempt, code, permanent=permanent, chance=chance)
    if delay is None:
        return Conclusion(final)
    if execution.end_before is not None and now + delay >= execution.end_before:
        return Conclusion(final)
    return Conclusion(RunStatus.RETRYING, now + delay)
