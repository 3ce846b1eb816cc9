"""Rows to measure with, made by the server itself, a table in one statement."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from qs.infra.postgres.ids import new_id

# UUIDv7 (RFC 9562) as the application would have made them from that millisecond on, each later than the last.
ID = """
CREATE OR REPLACE FUNCTION pg_temp.id(since timestamptz, kind text, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
RETURN CAST(lpad(to_hex(CAST(extract(epoch FROM since) * 1000 AS bigint) + n / 4096), 12, '0')
    || '7' || lpad(to_hex(n % 4096), 3, '0') || '8' || left(md5(kind || n || since), 15) AS uuid)
"""

TESTEES = """
WITH start AS (SELECT $2::timestamptz AS since)
INSERT INTO testee (id, tenant_id, created_at, updated_at)
SELECT pg_temp.id(since, 'testee', n), $1, since, since FROM start, generate_series(1, $3::bigint) n
"""

_ENROLLMENTS = """
WITH start AS (SELECT $2::timestamptz AS since)
INSERT INTO enrollment (id, tenant_id, plan_id, testee_id, round, start_date, tasks_left, status, created_at)
SELECT pg_temp.id(since, 'enrollment', n), $1, $4, pg_temp.id(since, 'testee', n), 1, CAST(since AS date), 10, 'active', since
FROM start, generate_series(1, $3::bigint) n
"""

# Which ones are due is as good as random and the same each time.
_TASKS = """
WITH start AS (SELECT $2::timestamptz AS since),
numbered AS (
    SELECT n, (n - 1) / 10 + 1 AS holder, row_number() OVER (ORDER BY hashint8(n), n) <= $5::bigint AS is_due
    FROM generate_series(1, $3::bigint) n
),
planned AS (
    SELECT n, holder, since, is_due AND $6::boolean AS is_open, since + CASE
        WHEN is_due THEN interval '-1 hour' ELSE interval '30 days' + (n % 10) * interval '1 day' END AS planned_at
    FROM numbered, start
)
INSERT INTO task (id, tenant_id, plan_id, enrollment_id, testee_id, scale_code, seq, planned_at, timezone, due_at,
    closes_at, status, opened_at, expires_at, entry_keys, created_at)
SELECT pg_temp.id(since, 'task', n), $1, $4, pg_temp.id(since, 'enrollment', holder), pg_temp.id(since, 'testee', holder),
    'PHQ-9', (n - 1) % 10 + 1, planned_at, 'Asia/Shanghai', planned_at + interval '7 days', planned_at + interval '7 days',
    CASE WHEN is_open THEN 'opened' ELSE 'pending' END, CASE WHEN is_open THEN planned_at END,
    CASE WHEN is_open THEN since - interval '1 minute' END, CASE WHEN is_open THEN ARRAY['bench'] ELSE '{}'::text[] END, since
FROM planned ORDER BY n
"""

PLAN = """
INSERT INTO plan (id, tenant_id, name, scale_code, schedule_type, interval, total_times, trigger_time, timezone, due_days,
    entry_ttl_days, catch_up_days, catch_up, notify_on_expiry, status, created_at, updated_at)
VALUES ($1, $2, 'bench', 'PHQ-9', 'by_week', 1, 10, '19:00', 'Asia/Shanghai', 7, 7, 7, 'all', 'staff', 'active', $3, $3)
"""

_EVENTS = """
WITH start AS (SELECT $2::timestamptz AS since),
named AS (
    SELECT n, since, n <= $3::bigint AS is_published, pg_temp.id(since, 'task', n) AS task,
        pg_temp.id(since, 'enrollment', n) AS enrollment
    FROM start, generate_series(1, $3::bigint + $4::bigint) n
)
INSERT INTO outbox (id, tenant_id, context, name, subject, partition_key, occurred_at, data, position, published_at,
    publications)
SELECT pg_temp.id(since, 'event', n), $1, 'plan', 'TaskOpened', 'tasks/' || task, enrollment, since,
    json_build_object('task_id', task, 'plan_id', pg_temp.id(since, 'plan', 1), 'enrollment_id', enrollment,
        'testee_id', pg_temp.id(since, 'testee', n), 'scale_code', 'PHQ-9', 'seq', 1, 'planned_at', since,
        'opened_at', since, 'due_at', since + interval '7 days', 'expires_at', since + interval '7 days',
        'timezone', 'Asia/Shanghai'),
    CASE WHEN is_published THEN n END, CASE WHEN is_published THEN since END, CASE WHEN is_published THEN 1 ELSE 0 END
FROM named ORDER BY n
"""


async def tenant(admin: asyncpg.Connection, slug: str) -> UUID:
    """A new tenant with one published scale."""
    tenant_id = new_id()
    await admin.execute(
        "INSERT INTO tenant (id, slug, name, timezone) VALUES ($1, $2, $2, 'Asia/Shanghai')", tenant_id, slug
    )
    await admin.execute(
        "INSERT INTO scale (tenant_id, code, title) VALUES ($1, 'PHQ-9', '{\"en\": \"PHQ-9\"}')", tenant_id
    )
    return tenant_id


async def tasks(
    admin: asyncpg.Connection,
    tenant_id: UUID,
    due: int,
    later: int,
    *,
    opened: bool = False,
    vacuum: bool = True,
) -> None:
    """Tasks of one plan, ten to an enrollment: ``due`` ones planned an hour ago, ``later`` ones next month.

    With ``opened`` the due ones are opened and their entries ran out a minute ago. Rows lie as enrolling
    puts them, so what is due together is scattered over the table. ``vacuum`` is for who seeds no more.
    """
    now, plan_id, total = datetime.now(UTC), new_id(), due + later
    async with admin.transaction():
        await _enrolled(admin, tenant_id, plan_id, now, -(-total // 10))
        await admin.execute(_TASKS, tenant_id, now, total, plan_id, due, opened)
    for table in ("testee", "enrollment", "task") if vacuum else ():
        await admin.execute(f"VACUUM ANALYZE {table}")


async def enrolled(admin: asyncpg.Connection, tenant_id: UUID, people: int) -> None:
    """So many testees who are in one plan and have no tasks yet."""
    async with admin.transaction():
        await _enrolled(admin, tenant_id, new_id(), datetime.now(UTC), people)


async def testees(admin: asyncpg.Connection, tenant_id: UUID, count: int) -> list[UUID]:
    """Testees without an enrollment."""
    now = datetime.now(UTC)
    await admin.execute(ID)
    rows = await admin.fetch(f"{TESTEES} RETURNING id", tenant_id, now, count)
    await admin.execute("VACUUM ANALYZE testee")
    return [row["id"] for row in rows]


async def events(admin: asyncpg.Connection, tenant_id: UUID, published: int, waiting: int) -> None:
    """Events in the outbox: ``published`` ones that everybody acknowledged, then ``waiting`` ones for the relay."""
    now = datetime.now(UTC) - timedelta(minutes=1)
    await admin.execute(ID)
    await admin.execute(_EVENTS, tenant_id, now, published, waiting)
    await admin.execute("UPDATE relay_cursor SET assigned_through = $1, published_through = $1", published)
    await admin.execute(
        "INSERT INTO subscriber_cursor SELECT unnest(ARRAY['notifications', 'statistics', 'webhooks']), $1",
        published,
    )
    await admin.execute("VACUUM ANALYZE outbox")


async def trust_references(admin: asyncpg.Connection) -> None:
    """Until the end of the transaction nobody checks that what a row refers to exists, which it does."""
    await admin.execute("SET LOCAL session_replication_role = replica")
    await admin.execute("SET LOCAL work_mem = '256MB'")


async def _enrolled(
    admin: asyncpg.Connection, tenant_id: UUID, plan_id: UUID, now: datetime, people: int
) -> None:
    await admin.execute(ID)
    await trust_references(admin)
    await admin.execute(PLAN, plan_id, tenant_id, now)
    await admin.execute(TESTEES, tenant_id, now, people)
    await admin.execute(_ENROLLMENTS, tenant_id, now, people, plan_id)
