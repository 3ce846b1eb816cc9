"""Edits of a plan under people who follow it."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from qs.application.plan.ports import Lock
from qs.domain.kernel.errors import Invalid, Refused
from qs.domain.plan.errors import StaleVersion
from qs.domain.plan.plan import ResumePolicy
from tests.support.builders import at, local, planned

from .clinic import ACTOR, START
from .gate import somebody_waits


@pytest.fixture
def edit(clinic):
    async def edit(plan, *, dry_run=False, version=None, **fields):
        return await clinic.authoring.edit(
            clinic.tenant_id, plan.id, fields, actor=ACTOR, dry_run=dry_run, version=version
        )

    return edit


def shown(edit) -> set[tuple[Any, ...]]:
    """What an edit does to whom; a task that does not exist yet has no id to compare."""
    return {
        (None if c.action == "create" else c.task_id, c.enrollment_id, c.seq, c.action, c.before, c.after)
        for c in edit.changes
    }


async def everything(clinic) -> list[Any]:
    tables = ("plan", "enrollment", "task", "outbox", "audit")
    return [await clinic.rows(f"SELECT {name}::text FROM {name} ORDER BY 1") for name in tables]


async def test_a_dry_run_shows_exactly_what_the_edit_then_does_and_writes_nothing(clinic, edit):
    plan = await clinic.plan(catch_up_days=3)
    for start in ("2060-02-28", START, "2060-03-20"):
        await clinic.enroll(plan, start)
    await clinic.enroll(plan, testee=await clinic.testee(timezone="Europe/London"))
    await clinic.advance("2060-03-07")
    await clinic.sweep()
    before = await everything(clinic)
    fields = {"interval": 2, "total_times": 3, "trigger_time": "08:30"}

    rehearsed = await edit(plan, dry_run=True, **fields)

    assert await everything(clinic) == before
    real = await edit(plan, **fields)
    assert (shown(real), real.counts) == (shown(rehearsed), rehearsed.counts)
    assert real.counts == {"reschedule": 8, "create": 0, "cancel": 4}
    assert (real.plan.revision, await clinic.events("PlanEdited")) == (2, 1)


async def test_a_dry_run_waits_for_nobody_and_tries_no_write(clinic, edit, admin):
    plan = await clinic.plan()
    joined = await clinic.enroll(plan)
    await admin.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$"
    )
    for table in ("plan", "enrollment", "task", "outbox", "audit"):
        await admin.execute(
            f"CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {table} EXECUTE FUNCTION refuse()"
        )

    async with clinic.uow(clinic.tenant_id) as uow:
        await uow.plans.get(plan.id, Lock.UPDATE)
        await uow.tasks.of_enrollments([joined.enrollment.id], Lock.UPDATE)
        await uow.enrollments.lock_many([joined.enrollment.id])
        rehearsed = await asyncio.wait_for(edit(plan, dry_run=True, total_times=5, due_days=2), timeout=40)

    assert rehearsed.counts == {"reschedule": 0, "create": 1, "cancel": 0}


async def test_an_edit_that_is_meant_waits_for_the_command_that_holds_the_plan(clinic, edit, admin):
    plan = await clinic.plan()
    await clinic.enroll(plan)

    async with clinic.uow(clinic.tenant_id) as uow:
        pausing = await uow.plans.get(plan.id, Lock.UPDATE)
        editing = asyncio.create_task(edit(plan, due_days=2))
        await somebody_waits(admin)
        pausing.pause(uow.now)
        await uow.plans.save(pausing)
        await uow.events.add(pausing.recorded)
        await uow.commit("test")

    edited = (await editing).plan
    assert (edited.status, edited.terms.due_days) == ("paused", 2)


async def test_an_edit_reaches_every_one_of_many_enrollments_once(clinic, edit):
    plan = await clinic.plan(total_times=3)
    await clinic.enroll_many(plan, 1200)

    moved = await edit(plan, trigger_time="08:30", total_times=4)

    assert moved.counts == {"reschedule": 3600, "create": 1200, "cancel": 0}
    (row,) = await clinic.rows(
        "SELECT count(*) AS n, count(DISTINCT (enrollment_id, seq)) AS once, count(DISTINCT planned_at) AS instants,"
        " bool_and(schedule_revision = 2) AS revised FROM task WHERE NOT dropped"
    )
    assert tuple(row) == (4800, 4800, 4, True)
    assert await clinic.rows("SELECT id FROM enrollment WHERE tasks_left <> 4") == []
    assert await clinic.events("TaskRescheduled") == 3600


async def test_an_occasion_that_is_dropped_and_returns_has_a_new_task_of_the_same_seq(clinic, edit):
    plan = await clinic.plan(total_times=3)
    joined = await clinic.enroll(plan)

    await edit(plan, total_times=2)
    back = await edit(plan, total_times=3)

    states = await clinic.rows("SELECT id, seq, status, reason, dropped FROM task WHERE seq = 3 ORDER BY id")
    assert [(row.status, row.reason, row.dropped) for row in states] == [
        ("canceled", "schedule_edited", True),
        ("pending", None, False),
    ]
    assert [change.task_id for change in back.changes] == [states[1].id]
    assert await clinic.states(joined) == ["pending"] * 3


async def test_an_edit_that_leaves_nothing_to_do_closes_the_enrollment(clinic, edit):
    plan = await clinic.plan(total_times=2)
    joined = await clinic.enroll(plan)
    await clinic.advance(START)
    await clinic.sweep()
    await clinic.submit(joined.tasks[0].id)

    await edit(plan, total_times=1)

    enrollment, _ = await clinic.reading.enrollment(clinic.tenant_id, joined.enrollment.id)
    assert (enrollment.status, enrollment.tasks_left) == ("closed", 0)


async def test_a_new_name_touches_no_task_not_even_one_that_is_overdue(clinic, edit):
    plan = await clinic.plan(schedule_type="by_day", interval=1, total_times=6)
    joined = await clinic.enroll(plan)
    await clinic.steering.pause(clinic.tenant_id, plan.id, actor=ACTOR)
    await clinic.advance("2060-03-20")
    before = await clinic.rows("SELECT task::text FROM task ORDER BY id")

    renamed = await edit(plan, name="Renamed", entry_ttl_days=3, notify_on_expiry="nobody")

    assert (renamed.changes, renamed.plan.terms.name) == ((), "Renamed")
    assert await clinic.rows("SELECT task::text FROM task ORDER BY id") == before
    assert await clinic.states(joined) == ["pending"] * 6


async def test_an_edit_keeps_a_task_that_was_rescheduled_by_hand(clinic, edit):
    plan = await clinic.plan()
    joined = await clinic.enroll(plan)
    task_id = joined.tasks[1].id
    await clinic.operating.reschedule(clinic.tenant_id, task_id, at("2060-03-12 10:00"), actor=ACTOR)

    await edit(plan, trigger_time="08:30", due_days=2)

    assert planned(await clinic.tasks(plan)) == [
        "2060-03-01 08:30",
        "2060-03-12 10:00",
        "2060-03-15 08:30",
        "2060-03-22 08:30",
    ]
    assert local((await clinic.task(task_id)).due_at) == "2060-03-14 10:00"
    await edit(plan, total_times=1)
    assert (await clinic.task(task_id)).reason == "schedule_edited"


async def test_days_of_a_resumption_stay_under_later_edits(clinic, edit):
    plan = await clinic.plan(schedule_type="by_month", interval=1, total_times=3)
    await clinic.enroll(plan, "2060-01-31")
    await clinic.advance("2060-02-20 12:00")
    await clinic.steering.pause(clinic.tenant_id, plan.id, actor=ACTOR)
    await clinic.advance("2060-03-01 12:00")
    await clinic.steering.resume(clinic.tenant_id, plan.id, ResumePolicy.SHIFT, actor=ACTOR)

    await edit(plan, total_times=4, trigger_time="08:00")

    assert planned(await clinic.tasks(plan))[1:] == [
        "2060-03-10 08:00",
        "2060-04-10 08:00",
        "2060-05-10 08:00",
    ]


async def test_an_edit_plans_anew_in_the_zone_the_testee_has_by_then(clinic, edit):
    plan = await clinic.plan(total_times=2)
    testee = await clinic.testee()
    joined = await clinic.enroll(plan, testee=testee)
    person = await clinic.reading.testee(clinic.tenant_id, testee)
    async with clinic.uow(clinic.tenant_id) as uow:
        person.timezone = "Europe/London"
        await uow.testees.save(person)
        await uow.commit("test")
    assert (await clinic.task(joined.tasks[0].id)).timezone == "Asia/Shanghai"

    await edit(plan, due_days=2)

    assert {task.timezone for task in await clinic.tasks(plan)} == {"Europe/London"}


async def test_an_enrollment_that_closes_while_an_edit_waits_gets_nothing_new(clinic, edit, admin):
    plan = await clinic.plan(total_times=1)
    joined = await clinic.enroll(plan)
    await clinic.enroll(plan)
    await clinic.advance(START)
    await clinic.sweep()
    task_id = joined.tasks[0].id

    async with clinic.uow(clinic.tenant_id) as uow:
        held = await uow.tasks.get(task_id, "FOR UPDATE")
        editing = asyncio.create_task(edit(plan, total_times=3))
        await somebody_waits(admin)
        held.complete("assessment-1", uow.now)
        await uow.tasks.save_many([held])
        await uow.events.add(held.recorded)
        (enrollment,) = (await uow.enrollments.lock_many([joined.enrollment.id])).values()
        enrollment.settle(1, uow.now)
        await uow.enrollments.save_many([enrollment])
        await uow.events.add(enrollment.recorded)
        await uow.commit("test")

    assert (await editing).counts == {"reschedule": 0, "create": 2, "cancel": 0}
    assert await clinic.states(joined) == ["completed"]


async def test_of_two_edits_of_one_version_the_second_is_told(clinic, edit):
    plan = await clinic.plan()
    await clinic.connect()

    answers = await asyncio.gather(
        *(edit(plan, version=plan.version, due_days=days) for days in (2, 3)), return_exceptions=True
    )

    assert sorted(type(answer).__name__ for answer in answers) == ["Edit", "StaleVersion"]
    assert isinstance(next(a for a in answers if isinstance(a, Exception)), StaleVersion)


async def test_a_final_plan_is_not_edited(clinic, edit):
    for command in (clinic.steering.finish, clinic.steering.cancel):
        plan = await clinic.plan()
        await command(clinic.tenant_id, plan.id, actor=ACTOR)

        with pytest.raises(Refused) as caught:
            await edit(plan, name="x")

        assert caught.value.code == "plan.invalid_transition"


async def test_scale_and_type_are_free_until_the_first_enrollment_and_fixed_after_it(clinic, edit):
    plan = await clinic.plan()
    daily = {"schedule_type": "by_day", "interval": 3, "total_times": 2}

    changed = (await edit(plan, scale_code="GAD-7", **daily)).plan
    await clinic.enroll(plan)

    assert (changed.scale_code, changed.schedule.schedule_type) == ("GAD-7", "by_day")
    for fields in ({"scale_code": "PHQ-9"}, {"schedule_type": "by_week", "interval": 1, "total_times": 2}):
        with pytest.raises(Refused) as caught:
            await edit(plan, **fields)
        assert caught.value.code == "plan.field_fixed"
    assert (await edit(plan, scale_code="GAD-7", **daily)).changes == ()


BROKEN: dict[str, dict[str, Any]] = {
    "/interval": {"interval": 0},
    "/total_times": {"total_times": 101},
    "/relative_days": {"relative_days": [1]},
    "/trigger_time": {"trigger_time": "25:00"},
    "/timezone": {"timezone": "Mars/Olympus"},
    "/due_days": {"due_days": 0},
    "/catch_up": {"catch_up": "some"},
    "/scale_code": {"scale_code": "NONE"},
    "/reminders/0": {"reminders": [{"after": "30d"}]},
}


async def test_an_edit_that_breaks_a_rule_names_it_and_changes_nothing(clinic, edit):
    plan = await clinic.plan()

    for pointer, fields in BROKEN.items():
        with pytest.raises(Invalid) as caught:
            await edit(plan, **fields)
        assert [problem.pointer for problem in caught.value.problems] == [pointer]

    assert (await clinic.reading.plan(clinic.tenant_id, plan.id)).revision == 1


async def test_a_new_list_replaces_the_old_one(clinic, edit):
    plan = await clinic.plan(schedule_type="custom", relative_weeks=[0, 2, 4])

    days = (await edit(plan, relative_days=[0, 10])).plan.schedule

    assert (days.relative_weeks, days.relative_days, days.total_times) == ((), (0, 10), 2)


async def test_terms_that_are_not_given_stay_as_they_are(clinic, edit):
    plan = await clinic.plan(catch_up_days=None, catch_up="latest", due_days=3, entry_ttl_days=4)

    after = (await edit(plan, name="Renamed")).plan

    assert after.terms == replace(plan.terms, name="Renamed")
    assert (after.schedule, after.timezone) == (plan.schedule, plan.timezone)
