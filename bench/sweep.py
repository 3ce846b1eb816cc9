"""How close the sweep comes to one set-based statement that knows no rule, and how far it is ahead of a loop."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from bench import seeding
from bench.harness import Case, Goal, Subject
from bench.world import World
from qs.application.plan.sweep_report import Phase

_LIMIT = """
WITH due AS (
    SELECT t.id FROM task t
    JOIN plan p ON p.tenant_id = t.tenant_id AND p.id = t.plan_id AND p.status = 'active'
    JOIN enrollment e ON e.tenant_id = t.tenant_id AND e.id = t.enrollment_id AND e.status = 'active'
    WHERE t.tenant_id = $1 AND t.status = 'pending' AND t.planned_at <= $2 AND t.closes_at > $2
    ORDER BY t.planned_at, t.id FOR UPDATE OF t SKIP LOCKED
), opened AS (
    UPDATE task t SET status = 'opened', opened_at = $2, expires_at = $2 + interval '7 days',
        entry_keys = ARRAY['bench'], version = t.version + 1
    FROM due WHERE t.tenant_id = $1 AND t.id = due.id RETURNING t.*
)
INSERT INTO outbox (id, tenant_id, context, name, subject, partition_key, occurred_at, data)
SELECT gen_random_uuid(), $1, 'plan', 'TaskOpened', 'tasks/' || id, enrollment_id, $2,
    json_build_object('task_id', id, 'plan_id', plan_id, 'enrollment_id', enrollment_id, 'testee_id', testee_id,
        'scale_code', scale_code, 'seq', seq, 'planned_at', planned_at, 'opened_at', opened_at, 'due_at', due_at,
        'expires_at', expires_at, 'timezone', timezone)
FROM opened
"""

_EXPIRY_LIMIT = """
WITH due AS (
    SELECT t.id FROM task t WHERE t.tenant_id = $1 AND t.status = 'opened' AND t.expires_at <= $2
    ORDER BY t.expires_at, t.id FOR UPDATE OF t SKIP LOCKED
), ended AS (
    UPDATE task t SET status = 'expired', expired_at = $2, reason = 'entry_timeout', version = t.version + 1
    FROM due WHERE t.tenant_id = $1 AND t.id = due.id RETURNING t.*
), counts AS (
    SELECT enrollment_id, count(*) AS ended FROM ended GROUP BY enrollment_id
), settled AS (
    UPDATE enrollment e SET tasks_left = tasks_left - ended, version = version + 1,
        status = CASE WHEN tasks_left = ended THEN 'closed' ELSE status END
    FROM counts WHERE e.tenant_id = $1 AND e.id = counts.enrollment_id
)
INSERT INTO outbox (id, tenant_id, context, name, subject, partition_key, occurred_at, data)
SELECT gen_random_uuid(), $1, 'plan', 'TaskExpired', 'tasks/' || id, enrollment_id, $2,
    json_build_object('task_id', id, 'plan_id', plan_id, 'enrollment_id', enrollment_id, 'testee_id', testee_id,
        'scale_code', scale_code, 'seq', seq, 'planned_at', planned_at, 'opened_at', opened_at, 'due_at', due_at,
        'expires_at', expires_at, 'timezone', timezone, 'expired_at', $2::timestamptz, 'reason', 'entry_timeout')
FROM ended
"""

_DUE = """
SELECT id FROM task WHERE tenant_id = $1 AND status = 'pending' AND planned_at <= now() ORDER BY planned_at, id LIMIT $2
"""

_LOOPED = 400

Mover = Callable[[UUID], Awaitable[int]]


async def opening(world: World, due: int, later: int) -> Case:
    """Opening ``due`` of ``due + later`` tasks; the naive loop opens some of them, one per transaction."""
    tenant_id, warm_up = await _seed(world, due, later, opened=False)
    scheduling = world.container.task_scheduling()
    operating = world.container.task_operating()

    async def run_limit(tenant: UUID) -> int:
        return await _run(world.admin, _LIMIT, tenant)

    async def run_ours(tenant: UUID) -> int:
        return (await scheduling.sweep(tenant, phases=(Phase.OPEN,))).opened

    async def run_loop(tenant: UUID) -> int:
        rows = await world.admin.fetch(_DUE, tenant, _LOOPED)
        for row in rows:
            await operating.open(tenant, row["id"], actor="bench")
        return len(rows)

    subjects = {
        "one SQL statement": _subject(world, run_limit, due, tenant_id, warm_up),
        "ours": _subject(world, run_ours, due, tenant_id, warm_up),
        "one by one": _subject(world, run_loop, min(_LOOPED, due), tenant_id, warm_up),
    }
    goals = [Goal("ours", 0.75, "one SQL statement"), Goal("ours", 12, "one by one")]
    return Case("sweep", "tasks", subjects, goals, {"tasks": due + later, "of them due": due})


async def expiry(world: World, due: int, later: int) -> Case:
    """Expiring ``due`` of ``due + later`` tasks, with their enrollments settled."""
    tenant_id, warm_up = await _seed(world, due, later, opened=True)
    scheduling = world.container.task_scheduling()

    async def run_limit(tenant: UUID) -> int:
        return await _run(world.admin, _EXPIRY_LIMIT, tenant)

    async def run_ours(tenant: UUID) -> int:
        return (await scheduling.sweep(tenant, phases=(Phase.EXPIRE,))).expired

    subjects = {
        "one SQL statement": _subject(world, run_limit, due, tenant_id, warm_up),
        "ours": _subject(world, run_ours, due, tenant_id, warm_up),
    }
    goals = [Goal("ours", 0.75, "one SQL statement")]
    return Case("expiry", "tasks", subjects, goals, {"tasks": due + later, "of them due": due})


async def _seed(world: World, due: int, later: int, *, opened: bool) -> tuple[UUID, UUID]:
    """The tenant that is measured, and a small one that connections are warmed up with."""
    warm_up = await seeding.tenant(world.admin, "warm-up")
    await seeding.tasks(world.admin, warm_up, _LOOPED, 0, opened=opened)
    tenant_id = await seeding.tenant(world.admin, "measured")
    await seeding.tasks(world.admin, tenant_id, due, later, opened=opened)
    await world.keep()
    return tenant_id, warm_up


def _subject(world: World, move: Mover, units: int, tenant_id: UUID, warm_up: UUID) -> Subject:
    """Each time on the table as it was seeded."""

    async def prepare(number: int) -> None:
        await world.restore()
        if not world.cold:
            await move(warm_up)

    async def run(number: int) -> int:
        return await move(tenant_id)

    return Subject(run, units, prepare)


async def _run(admin: asyncpg.Connection, statement: str, tenant_id: UUID) -> int:
    status = await admin.execute(statement, tenant_id, datetime.now(UTC))
    return int(status.split()[-1])
