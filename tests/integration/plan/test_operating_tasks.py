"""One task moved by hand."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from qs.application.plan.ports import Lock
from qs.domain.kernel.errors import Absent, Forbidden, Invalid, Refused
from qs.domain.plan.plan import ResumePolicy
from tests.support.builders import at, local

from .clinic import ACTOR, START
from .gate import somebody_waits


@pytest.fixture
def operate(clinic):
    """A move of one task by its name."""

    async def operate(move, task_id, *arguments, **options):
        act = getattr(clinic.operating, move)
        return await act(clinic.tenant_id, task_id, *arguments, actor=ACTOR, **options)

    return operate


async def refused(awaitable) -> str:
    with pytest.raises(Refused) as caught:
        await awaitable
    return caught.value.code


async def test_an_operator_opens_a_due_task_without_waiting_for_the_sweep(clinic, operate):
    joined = await clinic.enroll(await clinic.plan(entry_ttl_days=2))
    await clinic.advance(START)

    task, entry = await operate("open", joined.tasks[0].id)

    assert (task.status, str(entry.token)) == ("opened", await clinic.token(task.id))
    assert entry.expires_at == task.expires_at == (await clinic.task(task.id)).expires_at
    assert await refused(operate("open", task.id)) == "task.invalid_transition"
    assert await refused(operate("open", joined.tasks[1].id)) == "task.not_due"


async def test_a_task_is_not_opened_by_hand_outside_its_window_or_during_a_pause(clinic, operate):
    plan = await clinic.plan(catch_up_days=2)
    joined = await clinic.enroll(plan)
    await clinic.advance(START)
    await clinic.steering.pause_enrollment(clinic.tenant_id, joined.enrollment.id, actor=ACTOR)
    assert await refused(operate("open", joined.tasks[0].id)) == "enrollment.not_active"
    await clinic.steering.resume_enrollment(
        clinic.tenant_id, joined.enrollment.id, ResumePolicy.KEEP, actor=ACTOR
    )
    await clinic.steering.pause(clinic.tenant_id, plan.id, actor=ACTOR)
    assert await refused(operate("open", joined.tasks[0].id)) == "plan.not_active"
    await clinic.steering.resume(clinic.tenant_id, plan.id, ResumePolicy.KEEP, actor=ACTOR)
    await clinic.advance("2060-03-03")

    assert await refused(operate("open", joined.tasks[0].id)) == "task.window_closed"
    assert await clinic.states(joined) == ["pending"] * 4


async def test_a_task_is_not_opened_by_hand_in_a_plan_that_is_paused_at_the_same_moment(
    clinic, operate, admin
):
    plan = await clinic.plan()
    joined = await clinic.enroll(plan)
    await clinic.advance(START)

    async with clinic.uow(clinic.tenant_id) as uow:
        pausing = await uow.plans.get(plan.id, Lock.UPDATE)
        opening = asyncio.create_task(operate("open", joined.tasks[0].id))
        await somebody_waits(admin)
        pausing.pause(uow.now)
        await uow.plans.save(pausing)
        await uow.events.add(pausing.recorded)
        await uow.commit("test")

    assert await refused(opening) == "plan.not_active"
    assert await clinic.states(joined) == ["pending"] * 4


async def test_ten_openings_of_one_task_at_once_open_it_once(clinic, operate):
    joined = await clinic.enroll(await clinic.plan(total_times=1))
    await clinic.advance(START)
    await clinic.connect()

    answers = await asyncio.gather(
        *(operate("open", joined.tasks[0].id) for _ in range(8)), clinic.sweep(), return_exceptions=True
    )

    codes = [each.code for each in answers if isinstance(each, Refused)]
    assert set(codes) == {"task.invalid_transition"}
    assert len(codes) in (7, 8)
    assert await clinic.events("TaskOpened") == 1


async def test_a_task_is_completed_once_and_the_same_answer_again_is_a_success(clinic, operate):
    (task,) = await clinic.opened()

    first, repeated = await operate("complete", task.id, "assessment-1")
    again, repeated_again = await operate("complete", task.id, "assessment-1")

    assert (repeated, repeated_again, again.completed_at) == (False, True, first.completed_at)
    assert await refused(operate("complete", task.id, "assessment-2")) == "task.invalid_transition"
    assert await clinic.events("TaskCompleted") == 1


async def test_a_task_is_not_completed_once_its_entry_ran_out_even_if_no_sweep_has_run(clinic, operate):
    (task,) = await clinic.opened(entry_ttl_days=1)
    await clinic.advance("2060-03-03")

    assert await refused(operate("complete", task.id, "assessment-1")) == "task.entry_expired"
    assert (await clinic.task(task.id)).status == "opened"


async def test_expiring_and_canceling_twice_is_a_success_and_told_once(clinic, operate):
    first, second = await clinic.opened(2)

    for _ in range(2):
        await operate("expire", first.id)
        await operate("cancel", second.id, "withdrawn", note="x")

    assert [(await clinic.task(t.id)).reason for t in (first, second)] == ["manual", "withdrawn"]
    assert [await clinic.events(name) for name in ("TaskExpired", "TaskCanceled")] == [1, 1]
    assert await refused(operate("cancel", first.id, "withdrawn")) == "task.invalid_transition"
    assert await refused(operate("expire", second.id)) == "task.invalid_transition"


async def test_a_duty_expires_only_what_ran_out(clinic, operate):
    (task,) = await clinic.opened(entry_ttl_days=1)

    with pytest.raises(Forbidden):
        await operate("expire", task.id, early=False)
    await clinic.advance("2060-03-03")
    expired = await operate("expire", task.id, early=False)

    assert (expired.status, expired.reason) == ("expired", "entry_timeout")
    assert (await operate("expire", task.id, early=False)).version == expired.version


async def test_a_link_is_renewed_up_to_32_times_and_only_the_newest_opens(clinic, operate):
    plan = await clinic.plan(total_times=1)
    joined = await clinic.enroll(plan)
    await clinic.advance(START)
    await clinic.sweep()
    task_id = joined.tasks[0].id
    before = await clinic.task(task_id)
    await clinic.steering.pause(clinic.tenant_id, plan.id, actor=ACTOR)
    tokens = [await clinic.token(task_id)]

    for _ in range(31):
        _, entry = await operate("reissue", task_id)
        tokens.append(str(entry.token))

    assert await refused(operate("reissue", task_id)) == "task.reissue_limit"
    assert (len(set(tokens)), tokens[-1]) == (32, await clinic.token(task_id))
    assert (await clinic.entries.show(tokens[-1], str(task_id))).expires_at == before.expires_at
    assert await clinic.events("EntryReissued") == 31
    (row,) = await clinic.rows("SELECT count(*) AS n FROM audit WHERE action = 'entry.reissued'")
    assert row.n == 31


async def test_there_is_no_link_to_read_or_renew_of_a_task_that_is_not_open(clinic, operate):
    plan = await clinic.plan(total_times=2)
    await clinic.enroll_many(plan, 4)
    await clinic.advance(START)
    await clinic.sweep()
    answered, canceled, expired, run_out, pending, *_ = [task.id for task in await clinic.tasks(plan)]
    await operate("complete", answered, "assessment-1")
    await operate("cancel", canceled, "withdrawn")
    await operate("expire", expired)
    await clinic.advance("2060-03-08 18:59")
    assert str((await operate("entry", run_out)).token) == await clinic.token(run_out)
    await clinic.advance("2060-03-08 19:01")

    for task_id in (answered, canceled, expired, run_out, pending):
        assert await refused(operate("entry", task_id)) == "task.not_open"
        assert await refused(operate("reissue", task_id)) == "task.not_open"


async def test_reading_a_link_is_audited_and_changes_nothing(clinic, operate):
    (task,) = await clinic.opened()

    entry = await operate("entry", task.id)

    assert str(entry.token) == await clinic.token(task.id)
    (row,) = await clinic.rows("SELECT actor, object_id FROM audit WHERE action = 'entry.read'")
    assert (row.actor, row.object_id) == (ACTOR, task.id)
    assert (await clinic.task(task.id)).version == task.version


async def test_a_rescheduled_task_is_pinned_where_it_was_put(clinic, operate):
    joined = await clinic.enroll(await clinic.plan(due_days=2, catch_up_days=3))
    task_id = joined.tasks[2].id

    task = await operate("reschedule", task_id, at("2060-03-18 08:00"))

    assert (task.pinned, local(task.due_at), local(task.closes_at)) == (
        True,
        "2060-03-20 08:00",
        "2060-03-21 08:00",
    )
    assert await clinic.events("TaskRescheduled") == 1
    explanation = await clinic.reading.explain(clinic.tenant_id, task_id)
    assert [(fact.fact, fact.actor) for fact in explanation.facts] == [
        ("planned", "enrollment"),
        ("rescheduled", ACTOR),
    ]
    await clinic.advance("2060-03-18 08:00")
    await clinic.sweep()
    assert (await clinic.states(joined))[2] == "opened"


async def test_a_task_is_not_rescheduled_into_the_past_or_beyond_what_is_planned_for(clinic, operate):
    joined = await clinic.enroll(await clinic.plan())
    await clinic.advance(START)
    just_past = datetime(2060, 3, 1, 10, 59, 59, tzinfo=UTC)

    for instant in (just_past, datetime(2200, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        with pytest.raises(Invalid) as caught:
            await operate("reschedule", joined.tasks[1].id, instant)
        assert caught.value.problems[0].pointer == "/planned_at"

    assert (await clinic.task(joined.tasks[1].id)).pinned is False


async def test_only_a_pending_task_is_rescheduled(clinic, operate):
    (task,) = await clinic.opened()

    assert await refused(operate("reschedule", task.id, at("2060-04-01"))) == "task.invalid_transition"
    assert await refused(operate("reschedule", task.id, at("2060-01-01"))) == "task.invalid_transition"


async def test_a_task_of_another_tenant_is_not_there(clinic, neighbour, operate):
    joined = await neighbour.enroll(await neighbour.plan())
    task_id = joined.tasks[0].id

    for move, *arguments in (
        ("open",),
        ("complete", "a-1"),
        ("expire",),
        ("cancel", "withdrawn"),
        ("reissue",),
        ("entry",),
        ("reschedule", at("2060-04-01")),
    ):
        with pytest.raises(Absent):
            await operate(move, task_id, *arguments)
    for read in (clinic.reading.task, clinic.reading.explain):
        with pytest.raises(Absent):
            await read(clinic.tenant_id, task_id)


async def test_two_hundred_races_of_expiring_and_completing_have_one_winner_each(clinic, operate):
    tasks = await clinic.opened(200)
    await clinic.connect()

    for task in tasks:
        moves = [operate("complete", task.id, "assessment-1"), operate("expire", task.id)]
        answers = await asyncio.gather(*(moves if task.id.int % 2 else moves[::-1]), return_exceptions=True)
        assert sum(isinstance(each, Refused) for each in answers) == 1

    (row,) = await clinic.rows(
        "SELECT count(*) FILTER (WHERE status = 'completed' AND expired_at IS NULL) AS completed,"
        " count(*) FILTER (WHERE status = 'expired' AND completed_at IS NULL) AS expired FROM task"
    )
    assert row.completed + row.expired == 200
    assert min(row) > 10, "the moves did not race"
    assert (await clinic.events("TaskCompleted"), await clinic.events("TaskExpired")) == tuple(row)
    assert await clinic.events("EnrollmentClosed") == 200


async def test_what_is_canceled_when_business_time_was_set_back_had_superseded_what_was_missed(
    clinic, operate
):
    joined = await clinic.enroll(
        await clinic.plan(schedule_type="by_day", interval=1, total_times=2, catch_up="latest")
    )
    older, newer = joined.tasks
    await clinic.advance("2060-03-02")
    await operate("open", newer.id)
    await clinic.sweep()

    # As by a database server whose clock was wrong; qs itself only moves it forward.
    async with clinic.engine.begin() as connection:
        await connection.execute(
            text("UPDATE business_clock SET clock_offset = clock_offset - interval '1 hour'")
        )
    canceled = await operate("cancel", newer.id, "moved_away")

    missed = await clinic.task(older.id)
    assert (missed.reason, canceled.canceled_at < missed.expired_at) == ("missed", True)
    await clinic.check()
