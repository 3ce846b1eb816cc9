"""One creation per ``Idempotency-Key``, however often, however parallel and across whatever crash the call is repeated.

1. ``claim`` writes the key before the work begins; whoever comes second is told to wait or gets the kept answer.
2. The work's own transaction marks the key (``joins_commit``), so the work is undone when the claim was lost to
   somebody else, and never done again once it was done.
3. ``keep`` stores the answer; a process that dies before leaves a mark that says so.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from qs.domain.kernel.errors import Invalid, Problem, Refused

KEPT_FOR = timedelta(hours=24)
LEASE = timedelta(minutes=2)

joins_commit: ContextVar[Callable[[Any, UUID], Awaitable[None]] | None] = ContextVar(
    "joins_commit", default=None
)
"""Awaited by a unit of work with its connection and tenant just before it commits; raising undoes the work."""


class IdempotencyMismatch(Invalid):
    """The key was used for another request."""

    code = "idempotency.mismatch"
    sentence = (
        "this Idempotency-Key belongs to a request with other content, so nothing was done; use a new key"
    )

    def __init__(self) -> None:
        super().__init__([Problem("/Idempotency-Key", "was used for another request")])


class RequestInFlight(Refused):
    """The first request with this key is not answered yet."""

    code = "idempotency.in_flight"
    sentence = (
        "the first request with this Idempotency-Key is still being worked on; send it again in a moment"
    )
    retry_after = 1


class AnswerNotKept(Refused):
    """It was done once, and what was answered then is not kept: it held a secret, or the process died first."""

    code = "idempotency.answered_once"
    sentence = (
        "the request with this Idempotency-Key was carried out and its answer is not kept; look the resource up, or "
        "create another one with a new key"
    )


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """Whose key it is; two callers may use the same text."""

    tenant_id: UUID
    principal: str
    key: str


@dataclass(slots=True)
class Claim:
    """The right to do the work of a key, until it is answered or its lease runs out."""

    owner: KeyOwner
    id: UUID
    active: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it went out."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class IdempotencyKeys(Protocol):
    """Where keys are kept."""

    async def claim(self, owner: KeyOwner, fingerprint: bytes) -> Claim | Answer:
        """A claim for a new key, or the answer that was given.

        Raises:
            IdempotencyMismatch: the key belongs to a request with another fingerprint.
            RequestInFlight: that request is not answered yet.
            AnswerNotKept: it was carried out, and its answer cannot be given again.
        """
        ...

    async def mark(self, claim: Claim, connection: Any, tenant_id: UUID) -> None:
        """Notes in the work's transaction that it is done. Raises RequestInFlight when the claim was lost."""
        ...

    async def keep(self, claim: Claim, answer: Answer | None) -> None:
        """Stores the answer; None for one that must not be kept."""
        ...

    async def release(self, claim: Claim) -> None:
        """Frees the key of a request that failed, unless its work was done all the same."""
        ...
