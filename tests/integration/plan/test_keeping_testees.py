"""People who answer: described, replaced, forgotten."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from qs.application.plan.keeping import Profile
from qs.application.plan.ports import Page
from qs.domain.kernel.errors import Absent, Invalid, Refused
from qs.domain.plan.errors import StaleVersion
from qs.domain.plan.testee import Contact, Guardian, OptOut

from .clinic import ACTOR, START

ANNA = Profile(
    external_id="p-1",
    name="Anna Secretname",
    timezone="Europe/London",
    locale="en",
    contacts=(Contact("email", "anna@secret.example"), Contact("phone", "+8613800138000")),
    guardians=(Guardian("Bo Secretname", (Contact("email", "bo@secret.example"),)),),
)


@pytest.fixture
def keep(clinic):
    async def keep(command, *arguments, **options):
        return await getattr(clinic.keeping, command)(clinic.tenant_id, *arguments, actor=ACTOR, **options)

    return keep


async def test_what_was_said_of_a_testee_is_read_back_by_id_and_external_id(clinic, keep):
    plan = await clinic.plan()
    made = await keep(
        "create", Profile(**{**profile(ANNA), "opt_outs": (OptOut("email", plan.id), OptOut("phone"))})
    )

    for ref in (made.id, "p-1"):
        found = await clinic.reading.testee(clinic.tenant_id, ref)
        assert {name: getattr(found, name) for name in profile(ANNA)} == profile(ANNA) | {
            "opt_outs": (OptOut("email", plan.id), OptOut("phone"))
        }


def profile(of: Profile) -> dict[str, Any]:
    return {name: getattr(of, name) for name in Profile.__slots__}


async def test_nothing_that_identifies_a_person_is_stored_in_clear(clinic, keep, admin):
    made = await keep("create", ANNA)
    await keep("replace", made.id, ANNA)
    await clinic.enroll(await clinic.plan(), testee=made.id)

    tables = await admin.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = [row[0] for (table,) in tables for row in await admin.fetch(f'SELECT t::text FROM "{table}" t')]
    (personal,) = await clinic.rows("SELECT personal FROM testee")
    assert not [row for row in rows if "secret" in row.lower() or "138001" in row]
    assert b"ecret" not in personal.personal
    assert "Secretname" not in repr(made)


async def test_replacing_replaces_everything_and_leaves_scheduled_tasks_in_their_zone(clinic, keep):
    made = await keep("create", ANNA)
    joined = await clinic.enroll(await clinic.plan(), testee=made.id)

    await keep("replace", "p-1", Profile(external_id="p-2", timezone="Asia/Tokyo"))

    found = await clinic.reading.testee(clinic.tenant_id, "p-2")
    assert (found.id, found.name, found.contacts, found.timezone) == (made.id, None, (), "Asia/Tokyo")
    assert (await clinic.task(joined.tasks[0].id)).timezone == "Europe/London"
    with pytest.raises(Absent):
        await clinic.reading.testee(clinic.tenant_id, "p-1")


async def test_an_external_id_names_one_person_however_many_ask_for_it_at_once(clinic, keep):
    await clinic.connect()

    answers = await asyncio.gather(
        *(keep("create", Profile(external_id="p-1")) for _ in range(10)), return_exceptions=True
    )
    other = await keep("create", Profile(external_id="p-2"))

    assert [each.code for each in answers if isinstance(each, Refused)] == ["testee.external_id_taken"] * 9
    with pytest.raises(Refused) as caught:
        await keep("replace", other.id, Profile(external_id="p-1"))
    assert caught.value.code == "testee.external_id_taken"


async def test_of_two_replacements_of_one_version_the_second_is_told(clinic, keep):
    made = await keep("create", ANNA)
    await clinic.connect()

    answers = await asyncio.gather(
        *(keep("replace", made.id, Profile(name=name), version=made.version) for name in "AB"),
        return_exceptions=True,
    )

    assert sorted(isinstance(answer, StaleVersion) for answer in answers) == [False, True]


async def test_an_opt_out_names_a_plan_of_ones_own(clinic, neighbour, keep):
    foreign = await neighbour.plan()

    for plan_id in (foreign.id, uuid7()):
        with pytest.raises(Invalid) as caught:
            await keep("create", Profile(opt_outs=(OptOut("email"), OptOut("email", plan_id))))
        assert caught.value.problems[0].pointer == "/opt_outs/1/plan_id"


async def test_an_erased_testee_is_nobody_and_follows_nothing_and_the_counts_stay(clinic, keep, admin):
    made = await keep("create", Profile(**{**profile(ANNA), "opt_outs": (OptOut("phone"),)}))
    plan, other, over = [await clinic.plan() for _ in range(3)]
    joined = [await clinic.enroll(each, testee=made.id) for each in (plan, other)]
    done = await clinic.enroll(over, testee=made.id)
    await clinic.steering.finish(clinic.tenant_id, over.id, actor=ACTOR)
    await clinic.advance(START)
    await clinic.sweep()

    for _ in range(2):
        erased = await keep("erase", made.id)

    assert erased.erased_at is not None
    found = await clinic.reading.testee(clinic.tenant_id, made.id)
    assert (found.name, found.external_id, found.contacts, found.guardians) == (None, None, (), ())
    assert found.opt_outs == ()
    assert (await admin.fetchval("SELECT personal FROM testee WHERE id = $1", made.id)) is None
    for each in joined:
        enrollment, _ = await clinic.reading.enrollment(clinic.tenant_id, each.enrollment.id)
        assert (enrollment.status, enrollment.reason) == ("terminated", "testee_erased")
        assert await clinic.states(each) == ["canceled:enrollment_terminated"] * 4
    assert (await clinic.states(done))[0] == "canceled:plan_finished"
    assert await clinic.events("TesteeErased") == 1
    with pytest.raises(Refused) as caught:
        await keep("replace", made.id, ANNA)
    assert caught.value.code == "testee.erased"
    assert await clinic.reading.testees(clinic.tenant_id, Page()) == ([], 0)


async def test_the_external_id_of_an_erased_testee_is_free_again(clinic, keep):
    made = await keep("create", ANNA)
    await keep("erase", "p-1")

    again = await keep("create", ANNA)

    assert again.id != made.id
    with pytest.raises(Absent):
        await keep("erase", "p-2")


async def test_erasing_while_the_testee_is_enrolled_elsewhere_leaves_nothing_live(clinic, keep):
    for _ in range(8):
        testee = await clinic.testee()
        plans = [await clinic.plan() for _ in range(3)]
        await clinic.enroll(plans[0], testee=testee)

        async def erase(testee: UUID = testee) -> None:
            for _ in range(5):
                try:
                    await keep("erase", testee)
                except StaleVersion:
                    continue
                return
            raise AssertionError("never got its turn")

        await asyncio.gather(
            *(clinic.enroll(plan, testee=testee) for plan in plans[1:]), erase(), return_exceptions=True
        )

        await keep("erase", testee)
        live = "SELECT id FROM enrollment WHERE testee_id = :testee AND status IN ('active', 'paused')"
        assert await clinic.rows(live, testee=testee) == []


async def test_another_tenants_testee_is_not_there(clinic, neighbour, keep):
    foreign = await neighbour.testee(external_id="p-9")

    for ref in (foreign, "p-9"):
        with pytest.raises(Absent):
            await keep("replace", ref, ANNA)
        with pytest.raises(Absent):
            await keep("erase", ref)
