"""One firing of a duty: what was asked, who holds it, how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID


class ExecutionStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"


OPEN_STATUSES = frozenset({ExecutionStatus.QUEUED, ExecutionStatus.RUNNING})


class FiredBy(StrEnum):
    CLOCK = "clock"
    HTTP = "http"
    CLI = "cli"


# A slot may come a day later, so its loss is worth several tries; whoever asked over HTTP can ask again.
_ATTEMPTS = {FiredBy.CLOCK: 5, FiredBy.HTTP: 2, FiredBy.CLI: 2}


@dataclass(frozen=True, slots=True)
class Lease:
    """How long a holder is believed alive without a sign of life, and how often it gives one (system time)."""

    length: timedelta
    heartbeat: timedelta


DUTY_LEASE = Lease(length=timedelta(seconds=6), heartbeat=timedelta(seconds=2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One try at one firing. All instants are system time.

    ``detached``: nobody waits for its end, so qs itself tries again when its holder dies. ``epoch`` is the
    fencing term: it grows when the execution is taken from its holder, whose later writes are then refused.
    ``retried_as`` is the execution that took over after a loss.
    """

    id: UUID
    tenant_id: UUID
    name: str
    fired_by: FiredBy
    actor: str
    status: ExecutionStatus
    parameters: Mapping[str, Any] = field(default_factory=dict)
    detached: bool = False
    scheduled_at: datetime | None = None
    attempt: int = 1
    epoch: int = 1
    worker: str | None = None
    lease_until: datetime | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: Mapping[str, Any] | None = None
    error: str | None = None
    retried_as: UUID | None = None

    @property
    def deserves_another_try(self) -> bool:
        """Whether a loss of this execution is answered by a new one."""
        return self.detached and self.attempt < _ATTEMPTS[self.fired_by]

    def successor(self, execution_id: UUID, worker: str) -> "Execution":
        """The next try of the same firing, held by ``worker`` from its first moment on."""
        return Execution(
            id=execution_id,
            tenant_id=self.tenant_id,
            name=self.name,
            fired_by=self.fired_by,
            actor=self.actor,
            status=ExecutionStatus.RUNNING,
            parameters=self.parameters,
            detached=self.detached,
            scheduled_at=self.scheduled_at,
            attempt=self.attempt + 1,
            worker=worker,
        )
