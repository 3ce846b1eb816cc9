"""One tenant at work: the plan context's services with the arguments that do not matter filled in."""

import itertools
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.plan.bulk_enrolling import BulkResult
from qs.application.plan.enrolling import Joined
from qs.application.plan.keeping import Profile
from qs.application.plan.sweep_report import SweepReport
from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.plan.plan import AssessmentPlan
from qs.domain.plan.task import AssessmentTask
from tests.support.builders import at
from tests.support.clock import advance_to
from tests.support.lives import BROKEN

ACTOR = "user:anna"
START = "2060-03-01"
"""When the tests' plans start: ahead of system time, so that business time can be set to any instant around it."""


class Clinic:
    def __init__(self, container: Container, tenant_id: UUID = DEFAULT_TENANT) -> None:
        self.tenant_id = tenant_id
        self.engine: AsyncEngine = container.engine()
        self.uow = container.plan_uow()
        self.authoring = container.plan_authoring()
        self.steering = container.plan_steering()
        self.enrolling = container.enrolling()
        self.bulk = container.bulk_enrolling()
        self.scheduling = container.task_scheduling()
        self.operating = container.task_operating()
        self.entries = container.entry_admission()
        self.keeping = container.testee_keeping()
        self.reading = container.plan_reading()
        self.generator = container.entry_generator()

    async def advance(self, wall_time: str) -> None:
        """Business time is that wall time in Shanghai (19:00 for a date alone) from now on."""
        await advance_to(self.engine, at(wall_time))

    async def plan(self, **fields: Any) -> AssessmentPlan:
        """A plan, weekly for four weeks unless said."""
        given = {"name": "Follow-up", "scale_code": "PHQ-9"} | fields
        if "schedule_type" not in given:
            given = {"schedule_type": "by_week", "interval": 1, "total_times": 4} | given
        return await self.authoring.create(self.tenant_id, given, actor=ACTOR)

    async def testee(self, **profile: Any) -> UUID:
        return (await self.keeping.create(self.tenant_id, Profile(**profile), actor=ACTOR)).id

    async def enroll(
        self, plan: AssessmentPlan, start: str = START, *, testee: UUID | str | None = None, **options: Any
    ) -> Joined:
        """Enrolls the testee, a new one unless said."""
        who = testee or await self.testee()
        day = date.fromisoformat(start)
        return await self.enrolling.enroll(self.tenant_id, plan.id, who, day, actor=ACTOR, **options)

    async def enroll_many(self, plan: AssessmentPlan, count: int, start: str = START) -> BulkResult:
        """Enrolls that many new testees."""
        prefix = next(_prefixes)
        rows = [{"external_id": f"{prefix}-{number}", "start_date": start} for number in range(count)]
        result = await self.bulk.enroll_many(self.tenant_id, plan.id, rows, actor=ACTOR)
        assert result.count("created") == count
        return result

    async def opened(self, count: int = 1, **fields: Any) -> list[AssessmentTask]:
        """That many opened tasks, one of each testee, with a week to answer; business time is START, 19:00."""
        plan = await self.plan(**({"total_times": 1} | fields))
        await self.enroll_many(plan, count)
        await self.advance(START)
        await self.sweep()
        return await self.tasks(plan)

    async def connect(self) -> None:
        """Fills the pool, so that calls at once start at once and not one connection after the other."""
        async with AsyncExitStack() as stack:
            for _ in range(10):
                await stack.enter_async_context(self.engine.connect())

    async def sweep(self, **options: Any) -> SweepReport:
        return await self.scheduling.sweep(self.tenant_id, **options)

    async def token(self, task_id: UUID) -> str:
        """The present token of an opened task."""
        return str(self.generator.show(await self.task(task_id)).token)

    async def submit(self, task_id: UUID, assessment_id: str = "assessment-1") -> Any:
        return await self.entries.submit(await self.token(task_id), str(task_id), assessment_id)

    async def task(self, task_id: UUID) -> AssessmentTask:
        return await self.reading.task(self.tenant_id, task_id)

    async def tasks(self, plan: AssessmentPlan) -> list[AssessmentTask]:
        """Every task of the plan by planned instant and id, those that an edit dropped too."""
        rows = await self.rows(
            "SELECT id FROM task WHERE plan_id = :plan ORDER BY planned_at, id", plan=plan.id
        )
        async with self.uow(self.tenant_id) as uow:
            found = [await uow.tasks.get(row.id) for row in rows]
        return [task for task in found if task is not None]

    async def states(self, joined: Joined) -> list[str]:
        """The status of each task of an enrollment in order of seq, with the reason where there is one."""
        _, tasks = await self.reading.enrollment(self.tenant_id, joined.enrollment.id)
        return [f"{task.status}:{task.reason}" if task.reason else task.status.value for task in tasks]

    async def events(self, name: str) -> int:
        """How many events of that name were recorded."""
        (row,) = await self.rows("SELECT count(*) AS n FROM outbox WHERE name = :name", name=name)
        return int(row.n)

    async def rows(self, query: str, **values: object) -> Sequence[Any]:
        """Rows as the application role of this tenant sees them."""
        async with self.engine.connect() as connection:
            await connection.execute(
                text("SELECT set_config('qs.tenant_id', :tenant, true)"), {"tenant": str(self.tenant_id)}
            )
            return (await connection.execute(text(query), values)).all()

    async def check(self) -> None:
        """What must hold whatever was done: one event for each move, counts that agree, nothing before its time."""
        # Fresh tables have no statistics, and without them the planner compares every row with every other.
        async with self.engine.begin() as connection:
            await connection.execute(text("SET LOCAL enable_nestloop = off"))
            await connection.execute(
                text("SELECT set_config('qs.tenant_id', :tenant, true)"), {"tenant": str(self.tenant_id)}
            )
            broken = (await connection.execute(text(BROKEN))).all()
        assert not broken, broken


_prefixes = (f"p{number}" for number in itertools.count(1))
