"""No row crosses a tenant: the database keeps them apart, and so does every query by itself."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from qs.application.plan.ports import Lock, Page, Slice, TaskFilter
from qs.domain.plan.errors import StaleVersion
from qs.domain.plan.scale import Scale
from qs.domain.plan.task import AssessmentTask
from qs.infra.plan.one_task import SqlOneTask
from qs.infra.plan.unit_of_work import PlanUnitsOfWork
from qs.infra.postgres.engine import create_engine

from .clinic import START

TABLES = ("scale", "testee", "plan", "enrollment", "task")
FAR = datetime(2199, 1, 1, tzinfo=UTC)


@pytest.fixture
async def peopled(clinic, neighbour):
    """Both tenants have one of everything; the neighbour's enrollment with its tasks."""
    theirs = await neighbour.enroll(
        await neighbour.plan(timezone="Asia/Shanghai"), testee=await neighbour.testee(external_id="p-1")
    )
    await clinic.enroll(await clinic.plan(), testee=await clinic.testee(external_id="p-2"))
    await clinic.advance(START)
    await neighbour.sweep()
    return theirs


async def counted(connection) -> dict[str, int]:
    return {name: await connection.scalar(text(f"SELECT count(*) FROM {name}")) for name in TABLES}


async def test_the_application_role_sees_no_row_without_a_tenant_and_none_of_anothers(
    clinic, neighbour, peopled
):
    async with clinic.engine.connect() as connection:
        assert await counted(connection) == dict.fromkeys(TABLES, 0)
        for setting in ("", str(clinic.tenant_id)):
            await connection.execute(text("SELECT set_config('qs.tenant_id', :t, true)"), {"t": setting})
            found = await counted(connection)
            assert found == (
                dict.fromkeys(TABLES, 0)
                if not setting
                else dict.fromkeys(TABLES, 1) | {"scale": 2, "task": 4}
            )
            for name in TABLES:
                foreign = await connection.scalar(
                    text(f"SELECT count(*) FROM {name} WHERE tenant_id = :other"),
                    {"other": neighbour.tenant_id},
                )
                assert foreign == 0


async def test_the_application_role_changes_deletes_and_plants_no_foreign_row(clinic, neighbour, peopled):
    where = {"other": neighbour.tenant_id}
    for name in TABLES:
        async with clinic.engine.connect() as connection:
            await connection.execute(
                text("SELECT set_config('qs.tenant_id', :t, true)"), {"t": str(clinic.tenant_id)}
            )
            for act in (f"UPDATE {name} SET tenant_id = tenant_id", f"DELETE FROM {name}"):
                touched = await connection.execute(text(f"{act} WHERE tenant_id = :other"), where)
                assert touched.rowcount == 0
            with pytest.raises(DBAPIError, match="row-level security"):
                await connection.execute(text(f"UPDATE {name} SET tenant_id = :other"), where)


def without_tenant_filter(statement: str) -> str:
    """The statement as if its author had forgotten the tenant."""
    return re.sub(
        r"(?<![\w.])(\w+\.)?tenant_id = (\$\d+)(::UUID)?", r"(CAST(\2 AS uuid) IS NOT NULL)", statement
    )


async def read_everything(uow, theirs) -> list[Any]:
    """What each reading method answers when it is asked for the neighbour's rows."""
    enrollment, task = theirs.enrollment, theirs.tasks[0]
    return [
        await uow.plans.get(enrollment.plan_id),
        await uow.plans.get(enrollment.plan_id, Lock.SHARE),
        await uow.plans.has_enrollments(enrollment.plan_id),
        await uow.plans.of_testee(enrollment.testee_id, Page()),
        await uow.enrollments.get(enrollment.id),
        await uow.enrollments.live(enrollment.plan_id, enrollment.testee_id),
        await uow.enrollments.live_of_testee(enrollment.testee_id),
        await uow.enrollments.rounds_of(enrollment.plan_id, [enrollment.testee_id]),
        await uow.enrollments.live_batch(enrollment.plan_id, None, 10),
        await uow.enrollments.many([enrollment.id]),
        await uow.enrollments.lock_many([enrollment.id]),
        await uow.enrollments.list(enrollment.plan_id, Page(), None),
        await uow.tasks.get(task.id),
        await uow.tasks.of_enrollments([enrollment.id], Lock.UPDATE),
        await uow.tasks.list(TaskFilter(plan_id=enrollment.plan_id), Slice()),
        await uow.testees.get(enrollment.testee_id),
        await uow.testees.by_external_id("p-1"),
        await uow.testees.lock_many([enrollment.testee_id]),
        await uow.testees.timezones([enrollment.testee_id]),
        (await uow.due.expirable(FAR, None, 10)).tasks,
        (await uow.due.expirable(FAR, (uow.now, UUID(int=0)), 10)).tasks,
    ]


NOTHING: list[Any] = [
    None,
    None,
    False,
    ([], 0),
    None,
    None,
    [],
    {},
    [],
    {},
    {},
    ([], 0),
    None,
    [],
    [],
    None,
    None,
    {},
    {},
    [],
    [],
]


async def test_every_query_keeps_tenants_apart_by_itself_where_row_level_security_is_bypassed(
    clinic, neighbour, peopled, database_url, container
):
    unbound = create_engine(database_url, role=None)
    units = PlanUnitsOfWork(unbound, container.personal_cipher())
    try:
        async with units(clinic.tenant_id) as uow:
            assert await uow.connection.scalar(text("SELECT count(*) FROM task")) == 8
            assert await read_everything(uow, peopled) == NOTHING
            plans, total = await uow.plans.list(Page(), None, None)
            assert ({plan.tenant_id for plan in plans}, total) == ({clinic.tenant_id}, 1)
            testees, total = await uow.testees.list(Page())
            assert ({testee.tenant_id for testee in testees}, total) == ({clinic.tenant_id}, 1)
            scales, total = await uow.scales.list(Page())
            assert ({scale.tenant_id for scale in scales}, total) == ({clinic.tenant_id}, 2)
            claim = await uow.due.openable(FAR, uow.now, None, 10)
            assert {task.plan_id for task, _ in claim.tasks} == {plans[0].id}
            missed = await uow.due.missable(FAR, None, 10)
            assert {task.plan_id for task, _ in missed.tasks} == {plans[0].id}
            assert await uow.due.remaining(uow.now, uow.now, expiry_only=False) == 1
        assert await SqlOneTask(unbound)(clinic.tenant_id, peopled.tasks[0].id) is None
    finally:
        await unbound.dispose()


async def test_no_write_reaches_a_foreign_row_where_row_level_security_is_bypassed(
    clinic, neighbour, peopled, database_url, container
):
    async with neighbour.uow(neighbour.tenant_id) as uow:
        plan = await uow.plans.get(peopled.enrollment.plan_id)
        testee = await uow.testees.get(peopled.enrollment.testee_id)
        enrollment = await uow.enrollments.get(peopled.enrollment.id)
        task = await uow.tasks.get(peopled.tasks[1].id)
    unbound = create_engine(database_url, role=None)
    units = PlanUnitsOfWork(unbound, container.personal_cipher())
    before = [await neighbour.rows(f"SELECT t::text FROM {name} t ORDER BY 1") for name in TABLES]
    try:
        async with units(clinic.tenant_id) as uow:
            for write in (
                uow.plans.save(plan),
                uow.testees.save(testee),
                uow.enrollments.save_many([enrollment]),
                uow.tasks.save_many([task]),
                uow.due.save_expired([expired(task)]),
            ):
                with pytest.raises(StaleVersion):
                    await write
            await uow.due.record_failure(task.id, "no")
            await uow.scales.add(Scale(neighbour.tenant_id, "PHQ-9", {}, "9", False, uow.now))
            await uow.commit("test")
    finally:
        await unbound.dispose()
    assert [await neighbour.rows(f"SELECT t::text FROM {name} t ORDER BY 1") for name in TABLES] == before


def expired(task: AssessmentTask) -> AssessmentTask:
    task.miss(FAR)
    return task


async def test_a_query_whose_author_forgot_the_tenant_still_shows_nothing_foreign(
    clinic, neighbour, peopled, database_url, container
):
    forgetful = create_engine(database_url)
    units = PlanUnitsOfWork(forgetful, container.personal_cipher())
    forgotten: list[str] = []

    @event.listens_for(forgetful.sync_engine, "before_cursor_execute", retval=True)
    def forget(connection, cursor, statement, parameters, context, executemany):
        changed = without_tenant_filter(statement)
        if changed != statement:
            forgotten.append(statement)
        return changed, parameters

    try:
        async with units(clinic.tenant_id) as uow:
            answers = await read_everything(uow, peopled)
    finally:
        await forgetful.dispose()

    assert len(forgotten) >= 20
    assert answers == NOTHING


async def test_forgetting_the_tenant_would_show_foreign_rows_to_a_role_that_nothing_binds(
    clinic, neighbour, peopled, database_url, container
):
    # Otherwise the test before it would prove nothing.
    unbound = create_engine(database_url, role=None)
    units = PlanUnitsOfWork(unbound, container.personal_cipher())

    @event.listens_for(unbound.sync_engine, "before_cursor_execute", retval=True)
    def forget(connection, cursor, statement, parameters, context, executemany):
        return without_tenant_filter(statement), parameters

    try:
        async with units(clinic.tenant_id) as uow:
            answers = await read_everything(uow, peopled)
    finally:
        await unbound.dispose()

    assert [answer != nothing for answer, nothing in zip(answers, NOTHING, strict=True)] == [True] * len(
        NOTHING
    )
