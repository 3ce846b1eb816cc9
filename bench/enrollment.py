"""How close bulk enrollment comes to a COPY into an identical table without row-level security."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from bench.harness import Case, Goal, Subject
from bench.world import World
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.postgres.ids import new_id

_TIMES = 26
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


async def bulk(world: World, rounds: int, people: int) -> Case:
    """Enrolling ``people`` testees with 26 tasks each, and copying as many task rows."""
    await world.admin.execute(
        "CREATE TABLE bare_enrollment (tenant_id uuid, id uuid, PRIMARY KEY (tenant_id, id))"
    )
    await world.admin.execute("CREATE TABLE bare_task (LIKE task INCLUDING ALL)")
    await world.admin.execute(
        "ALTER TABLE bare_task ADD FOREIGN KEY (tenant_id, enrollment_id) REFERENCES bare_enrollment (tenant_id, id)"
    )
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
    enrolling = world.container.bulk_enrolling()

    async def run_limit(number: int) -> int:
        await world.admin.copy_records_to_table("bare_task", records=records[number], columns=_COLUMNS)
        return people * _TIMES

    ids: dict[int, list[UUID]] = {}

    async def run_ours(number: int) -> int:
        rows = [{"testee_id": testee_id, "start_date": start} for testee_id in ids[number]]
        result = await enrolling.enroll_many(DEFAULT_TENANT, plan.id, rows, actor="bench")
        return result.count("created") * _TIMES

    records: dict[int, list[tuple[Any, ...]]] = {}
    now = datetime.now(UTC)
    for number in range(rounds + 1):
        ids[number] = [new_id() for _ in range(people)]
        records[number] = _records(plan.id, people, now)
        await world.admin.copy_records_to_table(
            "bare_enrollment", records=sorted({(row[1], row[3]) for row in records[number]})
        )
        await world.admin.copy_records_to_table(
            "testee",
            records=[(testee_id, DEFAULT_TENANT, now, now) for testee_id in ids[number]],
            columns=["id", "tenant_id", "created_at", "updated_at"],
        )
    tasks = people * _TIMES
    subjects = {"COPY, bare table": Subject(run_limit, tasks), "ours": Subject(run_ours, tasks)}
    return Case("enrollment", "tasks", subjects, [Goal("ours", 0.5, "COPY, bare table")])


def _records(plan_id: UUID, people: int, now: datetime) -> list[tuple[Any, ...]]:
    return [
        (
            *(new_id(), DEFAULT_TENANT, plan_id, owner, owner, "PHQ-9", seq, now, "Asia/Shanghai"),
            *(now, now, "pending", 1, now),
        )
        for owner in (new_id() for _ in range(people))
        for seq in range(1, _TIMES + 1)
    ]
