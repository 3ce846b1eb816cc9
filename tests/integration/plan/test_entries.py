"""What a testee can do with a link."""

import asyncio
from uuid import UUID

import pytest

from qs.domain.kernel.errors import Absent, Invalid
from qs.domain.plan.errors import EntryAbsent, EntryCanceled, EntryCompleted, EntryExpired, EntryReplaced
from tests.support.builders import at

from .clinic import ACTOR, START


@pytest.fixture
async def link(clinic):
    """A live link: its token and task id as text."""
    (task,) = await clinic.opened()
    return await clinic.token(task.id), str(task.id)


async def test_a_live_link_shows_what_is_asked_and_changes_nothing(clinic, link):
    before = await clinic.rows("SELECT task::text FROM task")

    views = [await clinic.entries.show(*link) for _ in range(3)]

    assert (views[0].scale_code, views[0].seq, views[0].timezone) == ("PHQ-9", 1, "Asia/Shanghai")
    assert set(views[0].scale_title) == {"zh", "en"}
    assert views[0].expires_at > at("2060-03-08")
    assert await clinic.rows("SELECT task::text FROM task") == before


async def test_fifty_submissions_at_once_complete_the_task_once(clinic, link):
    await clinic.connect()

    answers = await asyncio.gather(*(clinic.entries.submit(*link, "assessment-1") for _ in range(50)))

    assert sorted(answer.repeated for answer in answers) == [False] + [True] * 49
    assert len({answer.completed_at for answer in answers}) == 1
    assert (await clinic.events("TaskCompleted"), await clinic.events("EnrollmentClosed")) == (1, 1)


async def test_of_fifty_different_answers_at_once_one_stands(clinic, link):
    await clinic.connect()

    answers = await asyncio.gather(
        *(clinic.entries.submit(*link, f"assessment-{number}") for number in range(50)),
        return_exceptions=True,
    )

    (accepted,) = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert {type(answer) for answer in answers if isinstance(answer, Exception)} == {EntryCompleted}
    (row,) = await clinic.rows("SELECT assessment_id, version FROM task")
    assert (row.assessment_id, row.version) == (accepted.assessment_id, 3)
    assert await clinic.events("TaskCompleted") == 1


async def test_after_completion_the_same_answer_is_a_success_and_another_is_gone(clinic, link):
    first = await clinic.entries.submit(*link, "assessment-1")
    await clinic.advance("2060-06-01")

    again = await clinic.entries.submit(*link, "assessment-1")

    assert (first.repeated, again.repeated, again.completed_at) == (False, True, first.completed_at)
    with pytest.raises(EntryCompleted):
        await clinic.entries.submit(*link, "assessment-2")
    with pytest.raises(EntryCompleted):
        await clinic.entries.show(*link)


async def test_a_link_is_dead_at_its_expiry_even_if_no_sweep_has_run(clinic, link):
    await clinic.advance("2060-03-08 19:01")

    for use in (clinic.entries.show(*link), clinic.entries.submit(*link, "assessment-1")):
        with pytest.raises(EntryExpired):
            await use
    assert (await clinic.rows("SELECT status FROM task"))[0].status == "opened"
    await clinic.sweep()
    with pytest.raises(EntryExpired):
        await clinic.entries.show(*link)


async def test_a_link_is_dead_once_its_task_is_expired_by_hand(clinic, link):
    task_id = (await clinic.rows("SELECT id FROM task"))[0].id
    await clinic.operating.expire(clinic.tenant_id, task_id, actor=ACTOR)

    with pytest.raises(EntryExpired):
        await clinic.entries.submit(*link, "assessment-1")


async def test_a_link_is_dead_once_its_task_is_canceled_however_that_came(clinic):
    tenant, plans = clinic.tenant_id, [await clinic.plan() for _ in range(4)]
    testees = [await clinic.testee() for _ in plans]
    joined = [await clinic.enroll(plan, testee=who) for plan, who in zip(plans, testees, strict=True)]
    await clinic.advance(START)
    await clinic.sweep()
    first = [each.tasks[0].id for each in joined]
    links = [(await clinic.token(task_id), str(task_id)) for task_id in first]

    await clinic.operating.cancel(tenant, first[0], "withdrawn", actor=ACTOR)
    await clinic.steering.terminate(tenant, plans[1].id, testees[1], "withdrawn", actor=ACTOR)
    await clinic.steering.finish(tenant, plans[2].id, actor=ACTOR)
    await clinic.keeping.erase(tenant, testees[3], actor=ACTOR)

    for link in links:
        for use in (clinic.entries.show(*link), clinic.entries.submit(*link, "assessment-1")):
            with pytest.raises(EntryCanceled):
                await use


async def test_while_the_plan_is_paused_an_opened_task_is_answered(clinic, link):
    plan_id = (await clinic.rows("SELECT plan_id FROM task"))[0].plan_id
    await clinic.steering.pause(clinic.tenant_id, plan_id, actor=ACTOR)

    await clinic.entries.show(*link)
    assert (await clinic.entries.submit(*link, "assessment-1")).status == "completed"


async def test_a_renewed_link_replaces_the_old_one(clinic, link):
    _, task_id = link
    _, entry = await clinic.operating.reissue(
        clinic.tenant_id, (await clinic.rows("SELECT id FROM task"))[0].id, actor=ACTOR
    )

    for use in (clinic.entries.show(*link), clinic.entries.submit(*link, "assessment-1")):
        with pytest.raises(EntryReplaced):
            await use
    assert (await clinic.entries.submit(str(entry.token), task_id, "assessment-1")).repeated is False


async def test_every_wrong_link_gets_the_same_answer(clinic, link):
    token, task_id = link
    pending = await clinic.enroll(await clinic.plan(), "2060-05-01")
    wrong = [
        ("", task_id),
        (token, ""),
        ("x" * 100_000, task_id),
        (token, "x" * 100_000),
        (token[:-1] + ("0" if token[-1] != "0" else "1"), task_id),
        (token, token),
        (task_id, task_id),
        ("0" * 36, task_id),
        ("00000000-0000-0000-0000-000000000000", task_id),
        (token, "00000000-0000-0000-0000-000000000000"),
        (token, str(pending.tasks[0].id)),
        ("00000000-0000-0000-0000-000000000000", str(pending.tasks[0].id)),
        (f"{{{token[:34]}}}", task_id),
        (token + "\0", task_id),
        ("é" * 36, task_id),
        ("' OR 1=1; --", task_id),
        (token, "' OR 1=1; --"),
    ]

    answers = []
    for each in wrong:
        for use in (clinic.entries.show(*each), clinic.entries.submit(*each, "assessment-1")):
            with pytest.raises(Absent) as caught:
                await use
            answers.append((type(caught.value), caught.value.code, str(caught.value)))

    assert set(answers) == {(EntryAbsent, "entry.absent", EntryAbsent.sentence)}


async def test_a_link_opens_its_own_task_only(clinic):
    first, second = await clinic.opened(2)

    with pytest.raises(EntryAbsent):
        await clinic.entries.submit(await clinic.token(first.id), str(second.id), "assessment-1")


async def test_a_link_finds_its_tenant_by_itself_and_not_a_suspended_one(clinic, neighbour, admin):
    joined = await neighbour.enroll(await neighbour.plan(timezone="Asia/Shanghai", total_times=1))
    await neighbour.advance(START)
    await neighbour.sweep()
    task_id = joined.tasks[0].id
    link = (await neighbour.token(task_id), str(task_id))

    assert (await clinic.entries.show(*link)).task_id == task_id
    await admin.execute("UPDATE tenant SET status = 'suspended' WHERE slug = 'north'")
    with pytest.raises(EntryAbsent):
        await clinic.entries.show(*link)


async def test_the_id_of_an_answer_has_1_to_64_characters(clinic, link):
    for assessment_id in ("", "x" * 65):
        with pytest.raises(Invalid):
            await clinic.entries.submit(*link, assessment_id)

    assert (await clinic.entries.submit(*link, "x" * 64)).repeated is False


async def test_two_last_tasks_completed_at_once_close_the_enrollment_fifty_times(clinic):
    plan = await clinic.plan(schedule_type="custom", relative_days=[0, 1], catch_up="all")
    await clinic.enroll_many(plan, 50)
    await clinic.advance("2060-03-02")
    assert (await clinic.sweep()).opened == 100
    enrollments: dict[UUID, list[UUID]] = {}
    for task in await clinic.tasks(plan):
        enrollments.setdefault(task.enrollment_id, []).append(task.id)
    await clinic.connect()

    for pair in enrollments.values():
        await asyncio.gather(*(clinic.submit(task_id) for task_id in pair))

    rows = await clinic.rows("SELECT DISTINCT status, tasks_left FROM enrollment")
    assert [tuple(row) for row in rows] == [("closed", 0)]
    assert (await clinic.events("EnrollmentClosed"), await clinic.events("TaskCompleted")) == (50, 100)
