"""How close the sweep comes to one set-based statement that knows no rule, and how far it is ahead of a loop."""

from datetime import UTC, datetime

import asyncpg

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

_LOOPED = 400


async def opening(world: World, rounds: int, due: int, later: int) -> Case:
    """Opening ``due`` of ``due + later`` tasks a round; the naive loop opens some of its own, one per transaction."""
    limit = [await world.tenant(f"limit-{n}") for n in range(rounds + 1)]
    ours = [await world.tenant(f"ours-{n}") for n in range(rounds + 1)]
    loop = [await world.tenant(f"loop-{n}") for n in range(rounds + 1)]
    for tenants, count in ((limit, due), (ours, due), (loop, _LOOPED)):
        for tenant_id in tenants:
            await world.fill(tenant_id, count, later)
    scheduling = world.container.task_scheduling()
    operating = world.container.task_operating()

    async def run_limit(number: int) -> int:
        return await _run(world.admin, _LIMIT, limit[number])

    async def run_ours(number: int) -> int:
        return (await scheduling.sweep(ours[number], phases=(Phase.OPEN,))).opened

    async def run_loop(number: int) -> int:
        rows = await world.admin.fetch(
            "SELECT id FROM task WHERE tenant_id = $1 AND planned_at <= now()", loop[number]
        )
        for row in rows:
            await operating.open(loop[number], row["id"], actor="bench")
        return len(rows)

    subjects = {
        "one SQL statement": Subject(run_limit, due),
        "ours": Subject(run_ours, due),
        "one by one": Subject(run_loop, _LOOPED),
    }
    goals = [Goal("ours", 0.75, "one SQL statement"), Goal("ours", 12, "one by one")]
    return Case("sweep", "tasks", subjects, goals, {"tasks per tenant": due + later})


async def expiry(world: World, rounds: int, due: int, later: int) -> Case:
    """Expiring ``due`` of ``due + later`` tasks a round, with their enrollments settled."""
    limit = [await world.tenant(f"xlimit-{n}") for n in range(rounds + 1)]
    ours = [await world.tenant(f"xours-{n}") for n in range(rounds + 1)]
    for tenant_id in (*limit, *ours):
        await world.fill(tenant_id, due, later, opened=True)
    scheduling = world.container.task_scheduling()

    async def run_limit(number: int) -> int:
        return await _run(world.admin, _EXPIRY_LIMIT, limit[number])

    async def run_ours(number: int) -> int:
        return (await scheduling.sweep(ours[number], phases=(Phase.EXPIRE,))).expired

    subjects = {"one SQL statement": Subject(run_limit, due), "ours": Subject(run_ours, due)}
    goals = [Goal("ours", 0.75, "one SQL statement")]
    return Case("expiry", "tasks", subjects, goals, {"tasks per tenant": due + later})


async def _run(admin: asyncpg.Connection, statement: str, tenant_id: object) -> int:
    status = await admin.execute(statement, tenant_id, datetime.now(UTC))
    return int(status.split()[-1])
