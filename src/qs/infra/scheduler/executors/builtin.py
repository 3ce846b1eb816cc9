"""Runs builtins: jobs written in Python, in the worker's own process."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import structlog

from qs.application.scheduler.builtins import Builtin, BuiltinContext
from qs.application.scheduler.executors import Attempt, AttemptOutcome, AttemptStatus, Output, OutputStream
from qs.domain.kernel.errors import Problem, QsError

_MOST_RESULT_BYTES = 16 * 1024

_log = structlog.get_logger()


class BuiltinExecutor:
    """Implements Executor. A target is ``{"name": …}``; the job's payload is what the builtin gets."""

    kind = "builtin"
    scope: str | None = None
    grace = timedelta(seconds=30)

    def __init__(self, builtins: Callable[[], Mapping[str, Builtin]]) -> None:
        """``builtins`` are made when first asked for: most processes never run one."""
        self._builtins = builtins

    def check(self, target: Mapping[str, Any]) -> Sequence[Problem]:
        name = target.get("name")
        problems = [Problem(f"/{key}", "is not a field here") for key in target.keys() - {"name"}]
        if not isinstance(name, str) or name not in self._builtins():
            known = ", ".join(sorted(self._builtins()))
            shown = repr(name)[:80]
            problems.append(
                Problem("/name", f"{shown} is no builtin of this installation; there are: {known}")
            )
        return problems

    async def execute(self, attempt: Attempt) -> AttemptOutcome:
        builtin = self._builtins().get(str(attempt.target.get("name")))
        if builtin is None:
            return _failed(
                f"there is no builtin {str(attempt.target.get('name'))[:80]!r} in this worker", permanent=True
            )
        log = _OutputLog(attempt.output)
        context = BuiltinContext(
            execution_id=attempt.execution_id,
            job_id=attempt.job_id,
            job_name=attempt.job_name,
            tenant_id=attempt.tenant_id,
            actor=attempt.actor,
            attempt=attempt.number,
            scheduled_at=attempt.scheduled_at,
            idempotency_key=attempt.idempotency_key,
            deadline=time.monotonic() + attempt.timeout.total_seconds(),
            log=log,
        )
        try:
            async with asyncio.timeout(attempt.timeout.total_seconds()) as limit:
                result = await builtin.execute(context, attempt.payload)
        except TimeoutError as error:
            if limit.expired():
                return AttemptOutcome(
                    status=AttemptStatus.TIMED_OUT, code="timeout", error="it did not end within its timeout"
                )
            return _raised(error)
        except Exception as error:  # noqa: BLE001 - whatever a job raises is the end of its attempt
            return _raised(error)
        finally:
            await log.flush()
        return _succeeded(result)

    async def aclose(self) -> None:
        """It holds nothing."""


def _succeeded(result: Mapping[str, Any] | None) -> AttemptOutcome:
    try:
        size = len(json.dumps(result or {}, allow_nan=False))
    except (TypeError, ValueError):
        return _failed(
            "what it returned is not JSON, so it cannot be kept; return numbers, texts, lists and objects"
        )
    if size > _MOST_RESULT_BYTES:
        return _failed(f"what it returned is longer than {_MOST_RESULT_BYTES // 1024} KiB; return a summary")
    return AttemptOutcome(status=AttemptStatus.SUCCEEDED, result=dict(result or {}))


def _raised(error: Exception) -> AttemptOutcome:
    if isinstance(error, QsError):
        return AttemptOutcome(
            status=AttemptStatus.FAILED,
            code="error",
            error=f"{error.code}: {error}",
            permanent=getattr(error, "permanent", False) is True,
        )
    # The text of an unforeseen error may hold anything, a contact or a secret among it; the log has the rest.
    _log.warning("builtin_failed", exc_info=error)
    return _failed(f"it raised {type(error).__name__}")


def _failed(told: str, *, permanent: bool = False) -> AttemptOutcome:
    return AttemptOutcome(status=AttemptStatus.FAILED, code="error", error=told, permanent=permanent)


class _OutputLog:
    """Implements JobLog: a line of JSON in the output for each line in the log."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._lines: list[bytes] = []
        self._writing: asyncio.Task[None] | None = None

    def info(self, event: str, **fields: Any) -> None:
        _log.info(event, **fields)
        self._line("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        _log.warning(event, **fields)
        self._line("warning", event, fields)

    def _line(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        told = json.dumps({"level": level, "event": event, **fields}, default=str, ensure_ascii=False)
        self._lines.append(told.encode() + b"\n")
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._lines:
            await self._output.write(self._lines.pop(0), OutputStream.LOG)

    async def flush(self) -> None:
        if self._writing is not None:
            await asyncio.wait({self._writing})
