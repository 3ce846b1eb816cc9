"""How close bulk enrollment comes to a COPY into an identical table without row-level security."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from bench import seeding
from bench.harness import Case, Goal, Subject
from bench.world import World
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.postgres.ids import new_id

_TIMES = 26
_WARM_UP = 20
_BARE = (
    "CREATE TABLE bare_enrollment (tenant_id uuid, id uuid, PRIMARY KEY (tenant_id, id))",
    "CREATE TABLE bare_task (LIKE task INCLUDING ALL)",
    "INSERT INTO bare_enrollment SELECT tenant_id, id FROM enrollment ORDER BY id",
    "INSERT INTO bare_task SELECT * FROM task ORDER BY id",
    "ALTER TABLE bare_task"
    " ADD FOREIGN KEY (tenant_id, enrollment_id) REFERENCES bare_enrollment (tenant_id, id)",
)
_COLUMNS = (
    *(
        "id",
        "tenant_id",
        "plan_id",
        "enrollment_id",
        "testee_id",
        "scale_code",
        "seq",
        "planned_at",
        "timezone",
    ),
    *("due_at", "closes_at", "status", "schedule_revision", "created_at"),
)


async def bulk(world: World, people: int, beside: int) -> Case:
    """Enrolling ``people`` testees with 26 tasks each, and copying as many task rows.

    Both tables hold ``beside`` tasks already.
    """
    await seeding.tasks(world.admin, DEFAULT_TENANT, 0, beside)
    for statement in _BARE:
        await world.admin.execute(statement)
    plan = await world.container.plan_authoring().create(
        DEFAULT_TENANT,
        {
            "name": "bench",
            "scale_code": "PHQ-9",
            "schedule_type": "by_week",
            "interval": 1,
            "total_times": _TIMES,
        },
        actor="bench",
    )
    start = date(datetime.now(UTC).year + 1, 1, 4)
    records = _records(plan.id, people)
    await world.admin.copy_records_to_table(
        "bare_enrollment", records=sorted({(row[1], row[3]) for row in records})
    )
    ids = await seeding.testees(world.admin, DEFAULT_TENANT, people + _WARM_UP)
    for table in ("bare_enrollment", "bare_task"):
        await world.admin.execute(f"VACUUM ANALYZE {table}")
    await world.keep()
    enrolling = world.container.bulk_enrolling()

    async def copy(rows: list[tuple[Any, ...]]) -> int:
        await world.admin.copy_records_to_table("bare_task", records=rows, columns=_COLUMNS)
        return len(rows)

    async def enroll(testees: list[UUID]) -> int:
        rows = [{"testee_id": testee_id, "start_date": start} for testee_id in testees]
        result = await enrolling.enroll_many(DEFAULT_TENANT, plan.id, rows, actor="bench")
        return result.count("created") * _TIMES

    async def prepare_limit(number: int) -> None:
        await world.restore()
        if not world.cold:
            await copy(records[-_WARM_UP:])

    async def prepare_ours(number: int) -> None:
        await world.restore()
        if not world.cold:
            await enroll(ids[-_WARM_UP:])

    async def run_limit(number: int) -> int:
        return await copy(records[:-_WARM_UP])

    async def run_ours(number: int) -> int:
        return await enroll(ids[:-_WARM_UP])

    tasks = people * _TIMES
    subjects = {
        "COPY, bare table": Subject(run_limit, tasks, prepare_limit),
        "ours": Subject(run_ours, tasks, prepare_ours),
    }
    goals = [Goal("ours", 0.5, "COPY, bare table")]
    return Case("enrollment", "tasks", subjects, goals, {"tasks before": beside})


def _records(plan_id: UUID, people: int) -> list[tuple[Any, ...]]:
    """As many as ``people`` have, and some to warm up with."""
    now = datetime.now(UTC)
    made = [
        (
            *(new_id(), DEFAULT_TENANT, plan_id, owner, owner, "PHQ-9", seq, now, "Asia/Shanghai"),
            *(now, now, "pending", 1, now),
        )
        for owner in (new_id() for _ in range(people + 1))
        for seq in range(1, _TIMES + 1)
    ]
    return made[: people * _TIMES + _WARM_UP]
