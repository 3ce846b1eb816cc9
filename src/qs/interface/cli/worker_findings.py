"""What the doctor finds of the processes that do the work: missing, dead, drained; and of clocks, wrong or stopped."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.infra.postgres.roles import SWEEPER
from qs.interface.cli.findings import Finding, duration, found, well
from qs.settings import Settings

_LONGEST_SILENCE = timedelta(seconds=60)
_LARGEST_CLOCK_GAP_MS = 2000

_WORKERS = text(
    "SELECT role, host, seen_at, draining, clock_offset_ms, clock_timestamp() AS now FROM worker_heartbeat"
    " ORDER BY seen_at"
)
_STOPPED = text(
    "SELECT (SELECT count(*) FROM job_switch WHERE tenant_id = :platform AND NOT firing) AS everybody,"
    " (SELECT count(*) FROM job_switch WHERE tenant_id <> :platform AND NOT firing) AS tenants,"
    " (SELECT count(*) FROM job WHERE enabled AND next_fire_at IS NOT NULL) AS timed"
)


async def worker_findings(connection: AsyncConnection, settings: Settings) -> AsyncIterator[Finding]:
    """Findings about each role that is to run, and about timed firing."""
    rows = (await connection.execute(_WORKERS)).all()
    alive = [row for row in rows if row.now - row.seen_at <= _LONGEST_SILENCE]
    for role in settings.worker.roles:
        if role == "cron" and not settings.clock.internal:
            continue
        yield _of_role(role, [row for row in rows if row.role == role])
    for finding in _clocks(alive):
        yield finding
    await connection.execute(text(f"SET ROLE {SWEEPER}"))
    stopped = (await connection.execute(_STOPPED, {"platform": PLATFORM_TENANT})).one()
    await connection.execute(text("RESET ROLE"))
    for finding in _switches(stopped, settings):
        yield finding


def _of_role(role: str, rows: Sequence[Any]) -> Finding:
    subject = f"worker {role}"
    if not rows:
        todo = f"start it by `qs up` or `qs worker --roles {role}`; what it does waits meanwhile"
        return found("worker.missing", subject, "none was seen", todo)
    last, now = rows[-1], _now(rows)
    if now - last.seen_at > _LONGEST_SILENCE:
        what = f"last seen {duration(now - last.seen_at)} ago on {last.host}, and it did not end in order"
        todo = f"look at its log and at the machine (memory?), then start it by `qs worker --roles {role}`"
        return found("worker.died", subject, what, todo)
    alive = [row for row in rows if now - row.seen_at <= _LONGEST_SILENCE]
    if all(row.draining for row in alive):
        return found("worker.drained", subject, f"{len(alive)} at work, told to take on nothing more")
    return well(subject, f"{len(alive)} seen within a minute")


def _now(rows: Sequence[Any]) -> datetime:
    now: datetime = rows[0].now
    return now


def _clocks(alive: Sequence[Any]) -> Iterator[Finding]:
    by_host = {row.host: row.clock_offset_ms or 0 for row in alive}
    for host, gap_ms in sorted(by_host.items()):
        if abs(gap_ms) > _LARGEST_CLOCK_GAP_MS:
            yield found("worker.clock", f"clock of {host}", f"{gap_ms / 1000:+.1f} s against PostgreSQL's")


def _switches(stopped: Any, settings: Settings) -> Iterator[Finding]:
    if stopped.everybody:
        yield found("scheduler.stopped", "timed firing", "stopped for everybody")
    elif stopped.tenants:
        yield found("scheduler.stopped_for_tenants", "timed firing", f"stopped for {stopped.tenants} tenants")
    if not settings.scheduler.enabled and stopped.timed:
        what = f"false, and {stopped.timed} jobs are to be fired by time"
        yield found("scheduler.disabled", "scheduler.enabled", what)
