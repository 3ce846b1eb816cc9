"""Jobs that are written in Python: what one is, and what it is told.

::

    class TidyUploads:
        name = "tidy-uploads"
        schedule = None

        def __init__(self, uploads: Uploads) -> None: ...

        async def execute(self, context: BuiltinContext, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
            context.log.info("tidying", days=payload.get("days", 7))
            return {"removed": await self._uploads.tidy(payload.get("days", 7))}

It is registered in ``qs.interface.jobs``. What it returns is kept as the result; what it raises is a failed attempt. It
may be run twice for one slot, when a worker dies, and is canceled when its time is up or somebody cancels it.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from qs.domain.kernel.errors import QsError


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

    async def execute(
        self, context: BuiltinContext, payload: Mapping[str, Any]
    ) -> Mapping[str, Any] | None: ...


@dataclass(frozen=True, slots=True)
class Registration:
    """A builtin and where its services come from: each parameter of ``make`` by the name of its provider."""

    make: Any
    needs: Mapping[str, str] = field(default_factory=dict)


class PermanentFailure(QsError):
    """Raised by a builtin for what another attempt would not mend."""

    code = "job.permanent_failure"
