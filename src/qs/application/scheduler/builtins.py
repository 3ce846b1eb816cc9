"""Jobs that are written in Python: what one is, and what it is told.

A class or a function, with the services it needs::

    @builtin("tidy-uploads", needs={"uploads": "uploads"})
    async def tidy_uploads(
        context: BuiltinContext, payload: Mapping[str, Any], *, uploads: Uploads
    ) -> Mapping[str, Any] | None:
        context.log.info("tidying", days=payload.get("days", 7))
        return {"removed": await uploads.tidy(payload.get("days", 7))}

It is registered in ``qs.interface.jobs``. What it returns is kept as the result; what it raises is a failed attempt. It
may be run twice for one slot, when a worker dies, and is canceled when its time is up or somebody cancels it.
"""

import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Protocol, TypeVar, overload
from uuid import UUID

from qs.domain.kernel.errors import QsError

C = TypeVar("C")
Result = Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class CodeSchedule:
    """When a builtin fires where no file says otherwise: a cron expression and its zone (None: the scheduler's)."""

    cron: str
    timezone: str | None = None


class JobLog(Protocol):
    """Writes into the output of the execution as well as into the log; fields are ids and numbers, never secrets."""

    def info(self, event: str, **fields: Any) -> None: ...

    def warning(self, event: str, **fields: Any) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltinContext:
    """What a builtin is told about the execution it runs in. ``deadline`` is in seconds of ``time.monotonic()``."""

    execution_id: UUID
    job_id: UUID
    job_name: str
    tenant_id: UUID
    actor: str
    attempt: int
    scheduled_at: datetime | None
    idempotency_key: str
    deadline: float
    log: JobLog

    @property
    def seconds_left(self) -> float:
        """How long it may still take; it is canceled when nothing is left."""
        return max(self.deadline - time.monotonic(), 0.0)


class Builtin(Protocol):
    name: str
    schedule: CodeSchedule | None

    async def execute(self, context: BuiltinContext, payload: Mapping[str, Any]) -> Result: ...


@dataclass(frozen=True, slots=True)
class Registration:
    """A builtin and where its services come from: each parameter of ``make`` by the name of its provider."""

    make: Callable[..., Any]
    needs: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, subject: Any) -> "Registration":
        """That of a class which ``builtin`` decorates."""
        return cls(subject, subject.needs)


class PermanentFailure(QsError):
    """Raised by a builtin for what another attempt would not mend."""

    code = "job.permanent_failure"
    permanent = True


def builtin(
    name: str,
    *,
    cron: str | None = None,
    timezone: str | None = None,
    needs: Mapping[str, str] | None = None,
) -> "_Decorator":
    """Makes a builtin of a function ``(context, payload, *, services)`` or of a class with ``execute(context, payload)``.

    A function becomes a Registration; a class stays a class, and ``Registration.of`` registers it. With ``cron`` it fires by
    itself where no file says otherwise. ``needs`` names the container's provider for each service, by the name of the
    parameter that takes it.
    """
    return _Decorator(name, None if cron is None else CodeSchedule(cron, timezone), needs or {})


@dataclass(frozen=True, slots=True)
class _Decorator:
    name: str
    schedule: CodeSchedule | None
    needs: Mapping[str, str]

    # A class is a callable too, but none whose instances are awaited.
    @overload
    def __call__(self, subject: type[C]) -> type[C]: ...  # type: ignore[overload-overlap]

    @overload
    def __call__(self, subject: Callable[..., Awaitable[Result]]) -> Registration: ...

    def __call__(self, subject: Any) -> Any:
        if inspect.isclass(subject):
            for attribute, value in (
                ("name", self.name),
                ("schedule", self.schedule),
                ("needs", self.needs),
            ):
                setattr(subject, attribute, value)
            return subject
        return Registration(partial(_made, self.name, self.schedule, subject), self.needs)


@dataclass(frozen=True, slots=True)
class _FunctionBuiltin:
    name: str
    schedule: CodeSchedule | None
    function: Callable[..., Awaitable[Result]]
    services: Mapping[str, Any]

    async def execute(self, context: BuiltinContext, payload: Mapping[str, Any]) -> Result:
        return await self.function(context, payload, **self.services)


def _made(
    name: str,
    schedule: CodeSchedule | None,
    function: Callable[..., Awaitable[Result]],
    /,
    **services: Any,
) -> _FunctionBuiltin:
    return _FunctionBuiltin(name, schedule, function, services)
