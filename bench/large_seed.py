"""A database as it is after long: many finished tasks, some that are due, events and executions of the past."""

import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg

from bench import seeding
from qs.infra.postgres.ids import new_id

# Of all tasks: finished ones, those due now, those whose entry just ran out; the rest is of next month.
_FINISHED, _DUE, _RUN_OUT = 0.8, 0.01, 0.01
_IN_A_PLAN = 500_000
_BYTES_A_TASK = 1_600
_SPARE_BYTES = 4 * 1024**3
_TABLES = ("testee", "enrollment", "task")

# Ten to an enrollment that closed, one every month, each answered an hour after it was opened.
_CLOSED = """
WITH start AS (SELECT $2::timestamptz AS since)
INSERT INTO enrollment (id, tenant_id, plan_id, testee_id, round, start_date, tasks_left, status, created_at)
SELECT pg_temp.id(since, 'enrollment', n), $1, $4, pg_temp.id(since, 'testee', n), 1, CAST(since - interval '300 days' AS date),
    0, 'closed', since - interval '300 days'
FROM start, generate_series(1, $3::bigint) n
"""
_COMPLETED = """
WITH start AS (SELECT $2::timestamptz AS since),
planned AS (
    SELECT n, (n - 1) / 10 + 1 AS holder, (n - 1) % 10 + 1 AS seq, since,
        since - (11 - ((n - 1) % 10 + 1)) * interval '28 days' + (n % 86400) * interval '1 second' AS planned_at
    FROM generate_series(1, $3::bigint) n, start
)
INSERT INTO task (id, tenant_id, plan_id, enrollment_id, testee_id, scale_code, seq, planned_at, timezone, due_at,
    closes_at, status, opened_at, expires_at, completed_at, assessment_id, entry_keys, created_at)
SELECT pg_temp.id(since, 'task', n), $1, $4, pg_temp.id(since, 'enrollment', holder), pg_temp.id(since, 'testee', holder),
    'PHQ-9', seq, planned_at, 'Asia/Shanghai', planned_at + interval '7 days', planned_at + interval '7 days',
    'completed', planned_at, planned_at + interval '7 days', planned_at + interval '1 hour', 'a-' || n, ARRAY['bench'],
    since - interval '300 days'
FROM planned ORDER BY n
"""
_EXECUTIONS = """
WITH start AS (SELECT $2::timestamptz AS since)
INSERT INTO job_execution (tenant_id, id, job_id, job_name, kind, fired_by, actor, status, queue, priority, definition,
    payload, scheduled_at, attempt, epoch, created_at, started_at, finished_at)
SELECT $1, pg_temp.id(since, 'run', n), pg_temp.id(since, 'job', n % 100), 'job', 'builtin', 'clock', 'clock', 'succeeded',
    'default', 0, '{}', '{}', since, 1, 1, since, since, since
FROM start, generate_series(1, $3::bigint) n
"""


class TooLittleRoom(RuntimeError):
    """The disk cannot hold what is to be seeded."""


def check_room(directory: Path, tasks: int) -> None:
    """Raises TooLittleRoom unless the disk of PostgreSQL's files has as much room as so many tasks take at their height."""
    if not directory.exists():
        # Of a server on another machine nobody here can tell.
        return
    needed, free = tasks * _BYTES_A_TASK + _SPARE_BYTES, shutil.disk_usage(directory).free
    if free < needed:
        raise TooLittleRoom(
            f"{tasks:,} tasks need {needed / 1e9:.0f} GB below {directory}, where {free / 1e9:.0f} GB are free; give "
            "fewer --tasks, or a --database-url of a server with more room"
        )


async def seed(admin: asyncpg.Connection, tenant_id: UUID, tasks: int) -> tuple[int, int]:
    """So many tasks in plans of 500,000 at most; returns how many are due to be opened and how many to expire.

    Rows of different plans lie one after the other, as they came; those that are due lie scattered among the later ones.
    """
    await admin.execute(seeding.ID)
    due, run_out = round(tasks * _DUE), round(tasks * _RUN_OUT)
    seeded = 0
    for count in _portions(round(tasks * _FINISHED)):
        await _finished(admin, tenant_id, count)
        seeded = _tell(seeded + count, tasks)
    await seeding.tasks(admin, tenant_id, run_out, 0, opened=True, vacuum=False)
    seeded = _tell(seeded + run_out, tasks)
    for number, count in enumerate(_portions(tasks - seeded)):
        await seeding.tasks(
            admin, tenant_id, 0 if number else due, count if number else count - due, vacuum=False
        )
        seeded = _tell(seeded + count, tasks)
    for table in _TABLES:
        print(f"  large: VACUUM ANALYZE {table}", file=sys.stderr, flush=True)
        await admin.execute(f"VACUUM ANALYZE {table}")
    await admin.execute("CHECKPOINT")
    return due, run_out


async def past_executions(admin: asyncpg.Connection, tenant_id: UUID, count: int) -> None:
    """Executions that ended some months ago, in the partition of that month, which is made first."""
    month = (datetime.now(UTC).date().replace(day=1) - timedelta(days=100)).replace(day=1)
    for table, column in (
        ("job_execution", "id"),
        ("job_attempt", "execution_id"),
        ("job_output", "execution_id"),
    ):
        await admin.execute("SELECT qs_make_partition($1, $2, $3)", table, column, month)
    await admin.execute(seeding.ID)
    await admin.execute(_EXECUTIONS, tenant_id, _in_the_middle(month), count)
    await admin.execute("VACUUM ANALYZE job_execution")


async def _finished(admin: asyncpg.Connection, tenant_id: UUID, count: int) -> None:
    now, plan_id, people = datetime.now(UTC), new_id(), -(-count // 10)
    async with admin.transaction():
        await seeding.trust_references(admin)
        await admin.execute(seeding.PLAN, plan_id, tenant_id, now)
        await admin.execute(seeding.TESTEES, tenant_id, now, people)
        await admin.execute(_CLOSED, tenant_id, now, people, plan_id)
        await admin.execute(_COMPLETED, tenant_id, now, count, plan_id)


def _portions(total: int) -> Iterator[int]:
    while total > 0:
        yield min(total, _IN_A_PLAN)
        total -= _IN_A_PLAN


def _tell(seeded: int, tasks: int) -> int:
    print(f"  large: {seeded:,} of {tasks:,} tasks seeded", file=sys.stderr, flush=True)
    return seeded


def _in_the_middle(day: date) -> datetime:
    return datetime(day.year, day.month, day.day + 14, tzinfo=UTC)
