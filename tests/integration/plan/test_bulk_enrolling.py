"""Many testees into one plan: an answer for every row."""

import asyncio
import gc

import pytest

from qs.application.plan import bulk_enrolling
from qs.application.plan.bulk_enrolling import MAX_ROWS
from qs.application.plan.row_reading import read_csv
from qs.domain.kernel.errors import Absent, Invalid
from qs.domain.plan.enrollment import enroll as really_enroll
from qs.domain.plan.task import AssessmentTask
from qs.domain.plan.testee import Contact

from .clinic import ACTOR, START


def row(external_id: str | None = None, **fields):
    return {"external_id": external_id, "start_date": START} | fields


@pytest.fixture
async def plan(clinic):
    return await clinic.plan(total_times=2)


@pytest.fixture
def enroll(clinic, plan):
    async def enroll(rows, **options):
        return await clinic.bulk.enroll_many(clinic.tenant_id, plan.id, rows, actor=ACTOR, **options)

    return enroll


@pytest.fixture
def written(clinic):
    async def written() -> tuple[int, ...]:
        (found,) = await clinic.rows(
            "SELECT (SELECT count(*) FROM testee) AS testees, (SELECT count(*) FROM enrollment) AS enrollments,"
            " (SELECT count(*) FROM task) AS tasks, (SELECT count(*) FROM outbox) AS events,"
            " (SELECT count(*) FROM audit) AS audits"
        )
        return tuple(found)

    return written


def results(result) -> list[str]:
    return [each.error or each.result for each in result.rows]


async def test_every_row_has_its_answer_and_good_rows_stand_beside_bad_ones(clinic, plan, enroll):
    known = await clinic.testee(
        external_id="p-known", name="Anna", contacts=(Contact("email", "a@example.org"),)
    )
    busy = await clinic.testee()
    await clinic.enroll(plan, "2060-04-01", testee=busy)

    result = await enroll(
        [
            row("p-new", name="Bo", email="bo@example.org", timezone="Europe/London", locale="zh-CN"),
            row("p-known", name="Somebody else", email="other@example.org"),
            row(testee_id=str(known)),
            row("p-bad", start_date="soon"),
            row(testee_id=str(busy)),
            row(testee_id=str(busy), start_date="2060-04-01"),
            row(testee_id=str(plan.id)),
            row("p-past", start_date="2026-01-01"),
            row("p-odd", shoe_size=44),
        ]
    )

    assert results(result) == [
        "created",
        "created",
        "existing",
        "bulk.row_invalid",
        "enrollment.start_date_differs",
        "existing",
        "testee.absent",
        "enrollment.entirely_past",
        "bulk.row_invalid",
    ]
    assert [each.row for each in result.rows] == list(range(1, 10))
    assert [bool(each.warning) for each in result.rows[:3]] == [False, True, False]
    assert (result.total, result.count("created"), result.count("existing"), result.count("failed")) == (
        9,
        2,
        2,
        5,
    )
    new = await clinic.reading.testee(clinic.tenant_id, "p-new")
    assert (new.name, new.timezone, new.locale) == ("Bo", "Europe/London", "zh")
    assert new.contacts == (Contact("email", "bo@example.org"),)
    left = await clinic.reading.testee(clinic.tenant_id, "p-known")
    assert (left.name, left.contacts) == ("Anna", (Contact("email", "a@example.org"),))
    for failed in ("p-bad", "p-past", "p-odd"):
        with pytest.raises(Absent):
            await clinic.reading.testee(clinic.tenant_id, failed)


async def test_rows_of_a_csv_with_a_mark_and_a_bad_row_among_good_ones(clinic, enroll):
    data = (
        "﻿external_id,start_date,name\np-1,2060-03-01,Anna\np-2,soon,Bo\np-3,2060-03-01,Cy,x\np-4,2060-03-02\n"
    )

    result = await enroll(read_csv(data.encode()))

    assert results(result) == ["created", "bulk.row_invalid", "bulk.row_invalid", "created"]
    assert "start_date" in result.rows[1].detail
    assert "column_4" in result.rows[2].detail


async def test_rows_that_say_the_same_twice_make_one_enrollment(enroll, written):
    before = await written()

    result = await enroll([row("p-1"), row("p-1"), row("p-1", start_date="2060-03-02"), row("p-1")])

    assert results(result) == ["created", "existing", "enrollment.start_date_differs", "existing"]
    assert len({each.enrollment_id for each in result.rows if each.result != "failed"}) == 1
    assert [after - b for after, b in zip(await written(), before, strict=True)][:4] == [1, 1, 2, 1]


async def test_the_same_call_again_writes_nothing(enroll, written):
    rows = [row(f"p-{number}") for number in range(5)]
    first = await enroll(rows)
    before = await written()

    second = await enroll(rows)

    assert results(second) == ["existing"] * 5
    assert [each.enrollment_id for each in second.rows] == [each.enrollment_id for each in first.rows]
    assert (await written())[:4] == before[:4]


async def test_a_row_may_open_a_new_round(clinic, plan, enroll):
    testee = await clinic.testee(external_id="p-1")
    await enroll([row("p-1")])
    await clinic.steering.terminate(clinic.tenant_id, plan.id, testee, "withdrawn", actor=ACTOR)

    result = await enroll([row("p-1"), row("p-1", new_round="true"), row("p-1")])

    assert results(result) == ["existing", "created", "existing"]
    first, second, third = (each.enrollment_id for each in result.rows)
    assert first != second == third


async def test_a_dry_run_answers_the_same_and_writes_nothing(clinic, enroll, written):
    await clinic.testee(external_id="p-known")
    rows = [
        row("p-1"),
        row("p-known"),
        row("p-1"),
        row("p-2", start_date="x"),
        row("p-1", start_date="2060-05-01"),
    ]
    before = await written()

    rehearsed = await enroll(rows, dry_run=True)

    assert await written() == before
    assert rehearsed.written is False
    assert [each.enrollment_id for each in rehearsed.rows] == [None] * 5
    real = await enroll(rows)
    assert results(real) == results(rehearsed)
    assert [each.detail for each in real.rows] == [each.detail for each in rehearsed.rows]


async def test_all_or_nothing_writes_nothing_when_one_row_fails_and_everything_when_none_does(
    enroll, written
):
    before = await written()

    refused = await enroll([row("p-1"), row("p-2", start_date="x"), row("p-3")], all_or_nothing=True)

    assert (refused.written, results(refused)) == (False, ["not_written", "bulk.row_invalid", "not_written"])
    assert await written() == before
    done = await enroll([row("p-1"), row("p-3")], all_or_nothing=True)
    assert (done.written, results(done)) == (True, ["created", "created"])


async def test_no_rows_and_more_than_ten_thousand_are_refused_as_a_whole(enroll, written):
    before = await written()

    for count, code in ((0, "bulk.no_rows"), (MAX_ROWS + 1, "bulk.too_many_rows")):
        with pytest.raises(Invalid) as caught:
            await enroll([row("p-1")] * count)
        assert caught.value.code == code

    assert await written() == before


async def test_more_rows_than_one_transaction_takes_are_all_done_in_order(clinic, plan, enroll):
    seen: list[int] = []

    result = await enroll([row(f"p-{number}") for number in range(2100)], on_progress=seen.append)

    assert seen == [1000, 2000, 2100]
    assert [each.row for each in result.rows] == list(range(1, 2101))
    assert (await clinic.rows("SELECT count(*) AS n FROM task"))[0].n == 4200


async def test_nobody_new_is_taken_into_a_plan_that_is_not_active_and_known_ones_are_answered(
    clinic, plan, enroll
):
    await enroll([row("p-1")])
    await clinic.steering.pause(clinic.tenant_id, plan.id, actor=ACTOR)

    assert results(await enroll([row("p-1"), row("p-2")])) == ["existing", "plan.not_active"]


async def test_a_testee_who_was_erased_is_enrolled_by_nobody_who_still_knows_the_id(clinic, enroll, written):
    gone = await clinic.testee(external_id="p-1")
    await clinic.keeping.erase(clinic.tenant_id, gone, actor=ACTOR)
    before = await written()

    result = await enroll([row(testee_id=str(gone))])

    assert results(result) == ["testee.erased"]
    assert (await written())[:4] == before[:4]


async def test_one_audit_row_tells_how_many_a_call_enrolled_and_who_asked(clinic, plan, enroll):
    known = await clinic.testee()

    await enroll([row("p-1"), row("p-2"), row(testee_id=str(known)), row("p-3", start_date="soon")])

    rows = await clinic.rows(
        "SELECT actor, object_id, detail FROM audit WHERE action = 'enrollment.bulk_joined'"
    )
    assert [(each.actor, each.object_id) for each in rows] == [(ACTOR, plan.id)]
    assert rows[0].detail == {"enrollments": 3, "testees": 2}


async def test_many_rows_in_one_transaction_let_others_go_on_and_a_rehearsal_keeps_no_task(
    enroll, monkeypatch
):
    turns, seen, alive = 0, [], []

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def noted(*arguments):
        seen.append(turns)
        if len(seen) in (1, 1000):
            alive.append(sum(isinstance(each, AssessmentTask) for each in gc.get_objects()))
        return really_enroll(*arguments)

    monkeypatch.setattr(bulk_enrolling, "enroll", noted)
    going_on = asyncio.create_task(others())
    await enroll([row(f"p-{number}") for number in range(1000)], dry_run=True)
    going_on.cancel()

    assert len(set(seen)) >= 5
    assert alive[1] - alive[0] < 20


async def test_calls_that_bring_the_same_new_testees_in_opposite_orders_make_each_once(clinic, enroll, admin):
    # A database so slow that the calls meet half way.
    await admin.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END $$"
    )
    await admin.execute("CREATE TRIGGER slow BEFORE INSERT ON testee FOR EACH ROW EXECUTE FUNCTION slow()")
    rows = [row(f"p-{number}") for number in range(20)]

    answers = await asyncio.gather(enroll(rows), enroll(rows[::-1]))

    assert sorted(result.count("created") for result in answers) == [0, 20]
    assert sorted(result.count("existing") for result in answers) == [0, 20]
    (found,) = await clinic.rows(
        "SELECT (SELECT count(*) FROM testee) AS testees, (SELECT count(*) FROM enrollment) AS enrollments"
    )
    assert tuple(found) == (20, 20)


async def test_a_testee_created_by_somebody_else_in_the_meantime_is_a_known_one(clinic, enroll):
    answers = await asyncio.gather(
        enroll([row(f"p-{number}", name="From the list") for number in range(100)]),
        *(clinic.testee(external_id=f"p-{number}", name="By hand") for number in (20, 50, 80)),
        return_exceptions=True,
    )

    result, *made = answers
    assert results(result) == ["created"] * 100
    for number, outcome in zip((20, 50, 80), made, strict=True):
        testee = await clinic.reading.testee(clinic.tenant_id, f"p-{number}")
        expected = "By hand" if testee.id == outcome else "From the list"
        assert testee.name == expected


async def test_another_tenants_testee_is_not_there_and_the_same_external_id_is_another_person(
    clinic, neighbour, enroll
):
    foreign = await neighbour.testee(external_id="p-1", name="Theirs")

    result = await enroll([row(testee_id=str(foreign)), row("p-1", name="Ours")])

    assert results(result) == ["testee.absent", "created"]
    assert (await clinic.reading.testee(clinic.tenant_id, "p-1")).name == "Ours"
    assert (await neighbour.reading.testee(neighbour.tenant_id, "p-1")).name == "Theirs"
