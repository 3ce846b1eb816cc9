"""One testee into one plan, once, however often and by however many it is asked for."""

import asyncio
from collections.abc import Awaitable, Iterable
from datetime import date
from typing import Any

import asyncpg
import pytest

from qs.application.plan.enrolling import Joined
from qs.domain.kernel.errors import Absent, Invalid, Refused
from qs.domain.plan.plan import ResumePolicy
from tests.support.builders import planned

from .clinic import ACTOR, START
from .gate import somebody_waits


async def all_at_once(admin: asyncpg.Connection, calls: Iterable[Awaitable[Joined]]) -> list[Any]:
    """What the calls answer when they are let loose on the plan at the same moment."""
    async with admin.transaction():
        await admin.execute("SELECT id FROM plan FOR UPDATE")
        running = asyncio.gather(*calls, return_exceptions=True)
        await somebody_waits(admin, 10)
    return await running


async def test_twenty_enrollments_of_one_testee_at_once_make_one(clinic, admin):
    plan, testee = await clinic.plan(), await clinic.testee()

    joined = await all_at_once(admin, [clinic.enroll(plan, testee=testee) for _ in range(20)])

    assert sorted(each.created for each in joined) == [False] * 19 + [True]
    assert len({each.enrollment.id for each in joined}) == 1
    assert len({tuple(task.id for task in each.tasks) for each in joined}) == 1
    assert await clinic.events("EnrollmentJoined") == 1
    assert len(await clinic.tasks(plan)) == 4


async def test_enrollments_of_one_testee_from_different_dates_at_once_make_one(clinic, admin):
    plan, testee = await clinic.plan(), await clinic.testee()
    starts = ["2060-03-01", "2060-03-02"] * 5

    answers = await all_at_once(admin, [clinic.enroll(plan, start, testee=testee) for start in starts])

    refused = [each.code for each in answers if isinstance(each, Refused)]
    assert refused == ["enrollment.start_date_differs"] * 5
    assert len({each.enrollment.id for each in answers if not isinstance(each, BaseException)}) == 1


async def test_enrolling_again_answers_the_same_tasks_and_writes_nothing(clinic):
    plan, testee = await clinic.plan(), await clinic.testee(external_id="p-1")
    first = await clinic.enroll(plan, testee=testee)
    await clinic.advance(START)
    await clinic.sweep()

    for again in (await clinic.enroll(plan, testee=testee), await clinic.enroll(plan, testee="p-1")):
        assert (again.created, again.enrollment.id) == (False, first.enrollment.id)
        assert [task.id for task in again.tasks] == [task.id for task in first.tasks]
        assert again.tasks[0].status == "opened"
    (row,) = await clinic.rows("SELECT count(*) AS n FROM audit WHERE action = 'enrollment.joined'")
    assert row.n == 1


async def test_who_was_enrolled_is_answered_whatever_became_of_the_plan_and_nobody_new_is_taken(clinic):
    plan, testee, newcomer = await clinic.plan(), await clinic.testee(), await clinic.testee()
    first = await clinic.enroll(plan, testee=testee)
    commands = (clinic.steering.pause, clinic.steering.finish)

    for command in commands:
        await command(clinic.tenant_id, plan.id, actor=ACTOR)
        assert (await clinic.enroll(plan, testee=testee)).enrollment.id == first.enrollment.id
        with pytest.raises(Refused) as caught:
            await clinic.enroll(plan, testee=newcomer)
        assert caught.value.code == "plan.not_active"
        with pytest.raises(Refused):
            await clinic.enroll(plan, testee=testee, start="2060-04-01")


async def test_rounds_are_numbered_and_each_starts_from_seq_1(clinic):
    plan, testee = await clinic.plan(total_times=2), await clinic.testee()
    first = await clinic.enroll(plan, testee=testee)
    await clinic.steering.terminate(clinic.tenant_id, plan.id, testee, "withdrawn", actor=ACTOR)

    again = await clinic.enroll(plan, testee=testee)
    second = await clinic.enroll(plan, testee=testee, new_round=True)
    await clinic.steering.terminate(clinic.tenant_id, plan.id, testee, "withdrawn", actor=ACTOR)
    third = await clinic.enroll(plan, "2060-05-01", testee=testee)

    assert (again.created, again.enrollment.id, again.enrollment.status) == (
        False,
        first.enrollment.id,
        "terminated",
    )
    assert [(each.created, each.enrollment.round) for each in (first, second, third)] == [
        (True, 1),
        (True, 2),
        (True, 3),
    ]
    assert [task.seq for task in third.tasks] == [1, 2]
    await clinic.steering.terminate(clinic.tenant_id, plan.id, testee, "withdrawn", actor=ACTOR)
    assert (await clinic.enroll(plan, testee=testee)).enrollment.round == 2


async def test_where_dates_are_named_only_a_new_round_opens_one(clinic):
    plan = await clinic.plan(schedule_type="fixed_date", fixed_dates=["2060-03-10", "2060-04-10"])
    testee = await clinic.testee()
    first = await clinic.enroll(plan, "2060-03-01", testee=testee)

    assert (await clinic.enroll(plan, "2060-03-09", testee=testee)).enrollment.id == first.enrollment.id
    await clinic.steering.terminate(clinic.tenant_id, plan.id, testee, "withdrawn", actor=ACTOR)
    assert (await clinic.enroll(plan, "2060-03-09", testee=testee)).created is False
    again = await clinic.enroll(plan, "2060-03-09", testee=testee, new_round=True)
    assert (again.created, planned(again.tasks)) == (True, ["2060-03-10 19:00", "2060-04-10 19:00"])


async def test_a_testees_own_zone_is_frozen_on_the_tasks(clinic):
    plan = await clinic.plan(timezone="Asia/Shanghai")
    joined = await clinic.enroll(plan, testee=await clinic.testee(timezone="Europe/London"))

    stored = await clinic.task(joined.tasks[0].id)

    assert (stored.timezone, stored.planned_at.isoformat()) == ("Europe/London", "2060-03-01T19:00:00+00:00")


async def test_a_plan_without_a_zone_has_its_tenants(clinic, neighbour):
    assert (await clinic.plan()).timezone == "Asia/Shanghai"
    assert (await neighbour.plan()).timezone == "Europe/London"


async def test_occasions_whose_window_has_closed_are_outside_of_every_event(clinic):
    plan = await clinic.plan(catch_up_days=2)
    await clinic.advance("2060-03-12")

    joined = await clinic.enroll(plan)

    assert await clinic.states(joined) == [
        "canceled:late_enrollment",
        "canceled:late_enrollment",
        "pending",
        "pending",
    ]
    assert await clinic.events("TaskCanceled") == 0


async def test_an_enrollment_wholly_in_the_past_is_refused_and_leaves_nothing(clinic):
    plan, testee = await clinic.plan(), await clinic.testee()
    await clinic.advance("2060-03-12")

    for start in ("2026-01-01", "2060-02-12"):
        with pytest.raises(Invalid) as caught:
            await clinic.enroll(plan, start, testee=testee)
        assert caught.value.code == "enrollment.entirely_past"

    assert await clinic.rows("SELECT id FROM enrollment") == []


async def test_who_or_what_is_not_there_cannot_be_enrolled(clinic, neighbour):
    plan, foreign = await clinic.plan(), await neighbour.plan()
    foreigner = await neighbour.testee(external_id="p-1")

    for asked, testee in ((plan, foreigner), (plan, "p-1"), (foreign, await clinic.testee())):
        with pytest.raises(Absent):
            await clinic.enroll(asked, testee=testee)


async def test_an_erased_testee_takes_part_in_nothing_new(clinic):
    plan, testee = await clinic.plan(), await clinic.testee()
    await clinic.keeping.erase(clinic.tenant_id, testee, actor=ACTOR)

    with pytest.raises(Refused) as caught:
        await clinic.enroll(plan, testee=testee)

    assert caught.value.code == "testee.erased"


async def test_an_enrollment_that_races_with_the_end_of_its_plan_never_lives_in_an_ended_plan(clinic):
    for number in range(10):
        plan = await clinic.plan()
        testees = [await clinic.testee() for _ in range(3)]

        await asyncio.gather(
            *(clinic.enroll(plan, testee=testee) for testee in testees[:2]),
            clinic.steering.cancel(clinic.tenant_id, plan.id, actor=ACTOR),
            clinic.enroll(plan, testee=testees[2]),
            return_exceptions=True,
        )

        live = await clinic.rows(
            "SELECT id FROM enrollment WHERE plan_id = :plan AND status = 'active'", plan=plan.id
        )
        assert live == [], f"in round {number}"


async def test_the_newest_enrollment_can_be_found_again_by_start_date(clinic):
    plan, testee = await clinic.plan(), await clinic.testee()
    joined = await clinic.enroll(plan, testee=testee)
    await clinic.steering.pause_enrollment(clinic.tenant_id, joined.enrollment.id, actor=ACTOR)

    again = await clinic.enroll(plan, testee=testee)

    assert (again.created, again.enrollment.status, again.enrollment.start_date) == (
        False,
        "paused",
        date(2060, 3, 1),
    )
    await clinic.steering.resume_enrollment(
        clinic.tenant_id, joined.enrollment.id, ResumePolicy.KEEP, actor=ACTOR
    )
