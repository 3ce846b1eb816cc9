"""What runs the target of a job: the port that every executor implements, and what it is told and tells back.

An executor does one attempt. It never retries, never decides when, and knows nothing of slots and leases.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from qs.domain.kernel.errors import Problem, QsError


class OutputStream(StrEnum):
    STDOUT = "stdout"
    STDERR = "stderr"
    LOG = "log"


class Output(Protocol):
    """Takes what an attempt writes, as it is written; readers follow it by offset."""

    async def write(self, data: bytes, stream: OutputStream = OutputStream.LOG) -> None:
        """Keeps the bytes; past the cap it drops them and says so once, so that a flood costs nothing."""
        ...


class AttemptStatus(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELED = "canceled"
    LOST = "lost"
    # Begun, and its outcome is to be reported from outside (`async: true`).
    AWAITED = "awaited"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOutcome:
    """How one attempt ended.

    ``permanent``: trying again would fail again, whatever the job's retry policy. ``code`` is what ``retry_on``
    is matched against: ``exit:75``, ``5xx`` matches ``http:503``, ``timeout``, ``error``. ``error`` is a sentence for
    a person and holds no secret, no address that was called and no output. ``result`` is JSON-able and bounded by
    16 KiB: exit code, HTTP status and the like, or what a builtin returned.
    """

    status: AttemptStatus
    code: str | None = None
    error: str | None = None
    permanent: bool = False
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What an executor is told. Instants are system time (aware UTC); ``timeout`` is what is left for this attempt.

    ``idempotency_key`` is the same at every attempt of an execution: ``{job_id}:{scheduled_at}`` for a slot, the
    execution's id where there was none. ``payload`` is JSON-able and reaches the target as its kind says.
    ``target`` is the job's target without its kind, as ``check`` accepted it. ``handed_over`` tells, after a
    cancellation, that another worker will go on with the execution: what outlives this process may be left at work.
    """

    execution_id: UUID
    job_id: UUID
    job_name: str
    tenant_id: UUID
    scheduled_at: datetime | None
    number: int
    idempotency_key: str
    actor: str
    timeout: timedelta
    target: Mapping[str, Any]
    payload: Mapping[str, Any]
    output: Output
    traceparent: str | None = None
    handed_over: Callable[[], bool] = lambda: False


class Executor(Protocol):
    """Runs targets of one kind."""

    kind: str
    """The key that names it in a job: ``http``, ``command``, ``kubernetes``, ``builtin``."""

    scope: str | None
    """What somebody who writes such a job must hold beside ``scheduler:write``: ``jobs:http`` and the like."""

    grace: timedelta
    """The longest that ``execute`` may go on beyond the timeout of its attempt, to stop what it began."""

    def check(self, target: Mapping[str, Any]) -> Sequence[Problem]:
        """All that is wrong with a target, with JSON pointers into it; nothing when it may be saved.

        Never reaches out: no name is resolved and no program is looked at, so that a job can be written anywhere.
        """
        ...

    async def execute(self, attempt: Attempt) -> AttemptOutcome:
        """Does one attempt and tells how it ended; every foreseeable failure is an outcome, not an exception.

        Ends within ``attempt.timeout`` and ``grace``, with TIMED_OUT where the time ran out. When it is canceled it
        stops what it began, unless that is handed over, waits until it has ended, and lets the cancellation through.
        """
        ...

    async def aclose(self) -> None:
        """Gives back what lives as long as the process."""
        ...


class SecretAbsent(QsError):
    """A target refers to a secret that nobody has set."""

    code = "job.secret_absent"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"the secret {name!r} is not set, so the job cannot use it; store it (`qs secret set {name}`), or set "
            f"QS_SECRET_{name.upper().replace('-', '_')} (or …_FILE) where the worker runs"
        )


class Secrets(Protocol):
    """What ``secret://name`` stands for, looked up when an attempt begins and never kept in a job."""

    async def reveal(self, tenant_id: UUID, text: str) -> str:
        """The text with each ``secret://name`` in it replaced. Raises SecretAbsent."""
        ...

    def redact(self, text: str) -> str:
        """The text with every secret that was ever revealed in this process blacked out."""
        ...
