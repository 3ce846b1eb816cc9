"""The table ``sys_crontab``, which people who come from Asynq systems fill with plain INSERTs."""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.scheduler.declaring import Desired
from qs.application.scheduler.job_documents import read_job
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.scheduler.job import JobDefinition, JobSource, Target
from qs.domain.scheduler.policies import Policies, Retry
from qs.domain.scheduler.triggers import TriggerKind, TriggerSpec
from qs.infra.postgres.roles import SWEEPER

_log = structlog.get_logger()

LOOK_EVERY_S = 5.0
_MOST_ROWS = 10_000
_ROWS = text(
    "SELECT id, name, type, spec, payload, status, timezone FROM sys_crontab ORDER BY id LIMIT :most"
)


class SysCrontabJobs:
    """Implements DesiredJobs: a job for each row, of the default tenant.

    ``type`` names a builtin and ``payload`` is its JSON; ``status`` 1 is enabled. A row without a name is called after
    its type, and one whose name is taken by an earlier row has its id behind it. A row that is wrong is a job with a
    config error, and no other row suffers from it.
    """

    source = JobSource.SYS_CRONTAB
    owner: str | None = "sys_crontab"

    def __init__(self, engine: AsyncEngine, retry: Retry) -> None:
        self._engine = engine
        self._retry = retry
        self._last: Sequence[Any] | None = None
        self._look_at = 0.0

    async def look(self) -> Sequence[Desired] | None:
        if time.monotonic() < self._look_at:
            return None
        async with self._engine.connect() as connection:
            await connection.execute(text(f"SET LOCAL ROLE {SWEEPER}"))
            rows = [tuple(row) for row in await connection.execute(_ROWS, {"most": _MOST_ROWS})]
        self._look_at = time.monotonic() + LOOK_EVERY_S
        if rows == self._last:
            return None
        self._last = rows
        return desired(rows, self._retry)

    def poke(self) -> None:
        self._last, self._look_at = None, 0.0


def desired(rows: Sequence[Sequence[Any]], retry: Retry) -> list[Desired]:
    """The jobs of these rows ``(id, name, type, spec, payload, status, timezone)``."""
    names = Counter((row[1] or row[2]).strip() for row in rows)
    seen: set[str] = set()
    found = []
    for row_id, name, kind, spec, payload, status, timezone in rows:
        called = (name or kind).strip()
        if not called or (names[called] > 1 and called in seen):
            called = f"{called[:180]}#{row_id}"
        seen.add(called)
        found.append(_desired(called, kind.strip(), spec, payload, status, timezone, retry))
    return found


def _desired(
    name: str, kind: str, spec: str, payload: str, status: int, timezone: str | None, retry: Retry
) -> Desired:
    try:
        document = {
            "name": name,
            "type": "cron",
            "schedule": spec,
            "timezone": timezone or None,
            "target": {"builtin": {"name": kind}},
            "payload": _object(payload),
            "enabled": status == 1,
        }
        return Desired(read_job(document, retry))
    except Invalid as error:
        return Desired(_as_it_is(name, kind, spec, retry), error)


def _object(payload: str) -> Mapping[str, Any]:
    if not payload.strip():
        return {}
    try:
        value = json.loads(payload)
    except ValueError as error:
        raise Invalid([Problem("/payload", f"is no JSON ({error}); write an object such as {{}}")]) from error
    if not isinstance(value, dict):
        raise Invalid([Problem("/payload", "must be a JSON object such as {}")])
    return value


def _as_it_is(name: str, kind: str, spec: str, retry: Retry) -> JobDefinition:
    """What can be kept of a row that is no job, so that it is seen where jobs are looked at."""
    printable = "".join(c if c.isprintable() else "?" for c in name)[:200]
    return JobDefinition(
        name=printable.strip() or "unnamed",
        trigger=TriggerSpec(type=TriggerKind.CRON, schedule=spec[:200]),
        target=Target(kind="builtin", spec={"name": kind[:200]}),
        policies=Policies(retry=retry),
    )
