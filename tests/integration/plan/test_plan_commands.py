"""Commands over a whole plan or one enrollment: each one transaction, each safe to repeat."""

import asyncio

import pytest

from qs.application.kernel.errors import RowRefused
from qs.domain.kernel.errors import Absent, Invalid, Refused
from qs.domain.plan.errors import StaleVersion
from qs.domain.plan.plan import ResumePolicy
from tests.support.builders import at, planned

from .clinic import ACTOR, START

KEEP, SKIP, SHIFT = ResumePolicy


@pytest.fixture
def steer(clinic):
    """A command of the plan by its name."""

    async def steer(command, plan, *arguments, **options):
        act = getattr(clinic.steering, command)
        return await act(clinic.tenant_id, plan.id, *arguments, actor=ACTOR, **options)

    return steer


async def statuses(clinic, table: str) -> dict[tuple[str, str | None], int]:
    rows = await clinic.rows(f"SELECT status, reason, count(*) AS n FROM {table} GROUP BY 1, 2")
    return {(row.status, row.reason): row.n for row in rows}


@pytest.mark.parametrize(
    ("command", "enrollments"),
    [("finish", ("closed", None)), ("cancel", ("terminated", "plan_canceled"))],
)
async def test_ending_a_plan_ends_what_over_a_thousand_enrollments_have_left(
    clinic, steer, command, enrollments
):
    plan = await clinic.plan(total_times=3, catch_up="all")
    await clinic.enroll_many(plan, 1200)
    await clinic.advance(START)
    await clinic.sweep()
    answered = await clinic.rows("SELECT id FROM task WHERE status = 'opened' ORDER BY id LIMIT 2")
    for row in answered:
        await clinic.submit(row.id)
    one = (await clinic.rows("SELECT id FROM enrollment ORDER BY id DESC LIMIT 1"))[0].id
    await clinic.steering.pause_enrollment(clinic.tenant_id, one, actor=ACTOR)

    ended = await steer(command, plan)
    again = await steer(command, plan)

    reason = {"finish": "plan_finished", "cancel": "plan_canceled"}[command]
    assert await statuses(clinic, "task") == {("completed", None): 2, ("canceled", reason): 3598}
    assert await statuses(clinic, "enrollment") == {enrollments: 1200}
    assert (ended.status, again.version) == (
        {"finish": "finished", "cancel": "canceled"}[command],
        ended.version,
    )
    assert await clinic.events("TaskCanceled") == 3598
    assert await clinic.events({"finish": "PlanFinished", "cancel": "PlanCanceled"}[command]) == 1
    for other in ("pause", "finish" if command == "cancel" else "cancel"):
        with pytest.raises(Refused) as caught:
            await steer(other, plan)
        assert caught.value.code == "plan.invalid_transition"


async def test_a_command_is_one_transaction_over_plan_enrollments_tasks_and_events(clinic, steer, admin):
    plan = await clinic.plan(total_times=1)
    await clinic.enroll_many(plan, 600)
    last = (await clinic.rows("SELECT id FROM enrollment ORDER BY id DESC LIMIT 1"))[0].id
    events = (await clinic.rows("SELECT count(*) AS n FROM outbox"))[0].n
    await admin.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$"
    )
    await admin.execute(
        "CREATE TRIGGER refuse BEFORE UPDATE ON enrollment FOR EACH ROW"
        f" WHEN (NEW.id = '{last}') EXECUTE FUNCTION refuse()"
    )

    with pytest.raises(Exception, match="no") as caught:
        await steer("cancel", plan)

    assert not isinstance(caught.value, RowRefused)
    assert (await clinic.reading.plan(clinic.tenant_id, plan.id)).status == "active"
    assert await statuses(clinic, "task") == {("pending", None): 600}
    assert await statuses(clinic, "enrollment") == {("active", None): 600}
    assert (await clinic.rows("SELECT count(*) AS n FROM outbox"))[0].n == events


async def test_pausing_and_resuming_twice_is_told_once(clinic, steer):
    plan = await clinic.plan()

    for command in (("pause",), ("pause",), ("resume", KEEP), ("resume", SHIFT)):
        await steer(command[0], plan, *command[1:])

    assert [await clinic.events(name) for name in ("PlanPaused", "PlanResumed")] == [1, 1]
    audited = await clinic.rows(
        "SELECT action, actor FROM audit WHERE object_id = :id ORDER BY id", id=plan.id
    )
    assert [row.action for row in audited] == ["plan.created", "plan.paused", "plan.resumed"]
    assert {row.actor for row in audited} == {ACTOR}


async def test_of_two_commands_on_one_version_the_second_is_told(clinic, steer):
    plan = await clinic.plan()
    await steer("pause", plan, version=plan.version)

    with pytest.raises(StaleVersion):
        await steer("finish", plan, version=plan.version)


PAUSED, RESUMED = "2060-03-07 12:00", "2060-03-16 09:00"


@pytest.mark.parametrize(
    ("policy", "dates", "states"),
    [
        (KEEP, ["03-01", "03-08", "03-15", "03-22"], ["opened", "pending", "pending", "pending"]),
        (
            SKIP,
            ["03-01", "03-08", "03-15", "03-22"],
            ["opened", "canceled:paused", "canceled:paused", "pending"],
        ),
        (SHIFT, ["03-01", "03-17", "03-24", "03-31"], ["opened", "pending", "pending", "pending"]),
    ],
)
async def test_a_plan_is_resumed_by_the_policy_asked_for_and_leaves_a_paused_enrollment_alone(
    clinic, steer, policy, dates, states
):
    plan = await clinic.plan(entry_ttl_days=30, catch_up_days=None)
    joined, alone = await clinic.enroll(plan), await clinic.enroll(plan)
    await clinic.advance(START)
    await clinic.sweep()
    await clinic.steering.pause_enrollment(clinic.tenant_id, alone.enrollment.id, actor=ACTOR)
    await clinic.advance(PAUSED)
    await steer("pause", plan)
    await clinic.advance(RESUMED)

    await steer("resume", plan, policy)

    enrollment, tasks = await clinic.reading.enrollment(clinic.tenant_id, joined.enrollment.id)
    assert planned(tasks) == [f"2060-{date} 19:00" for date in dates]
    assert await clinic.states(joined) == states
    assert [(s.from_seq, s.days) for s in enrollment.shifts] == ([(2, 9)] if policy is SHIFT else [])
    left, its_tasks = await clinic.reading.enrollment(clinic.tenant_id, alone.enrollment.id)
    assert (left.status, left.shifts, await clinic.states(alone)) == (
        "paused",
        (),
        ["opened"] + ["pending"] * 3,
    )
    assert planned(its_tasks)[1] == "2060-03-08 19:00"


@pytest.mark.parametrize(
    ("policy", "dates", "states"),
    [
        (KEEP, ["03-01", "03-08", "03-15", "03-22"], ["pending"] * 4),
        (SKIP, ["03-01", "03-08", "03-15", "03-22"], ["canceled:paused"] * 3 + ["pending"]),
        (SHIFT, ["03-17", "03-24", "03-31", "04-07"], ["pending"] * 4),
    ],
)
async def test_one_enrollment_is_resumed_by_its_own_pause_whatever_its_plan_did(
    clinic, steer, policy, dates, states
):
    plan = await clinic.plan(catch_up_days=None)
    joined, other = await clinic.enroll(plan), await clinic.enroll(plan)
    await clinic.advance("2060-02-28 12:00")
    await clinic.steering.pause_enrollment(clinic.tenant_id, joined.enrollment.id, actor=ACTOR)
    await clinic.advance(PAUSED)
    await steer("pause", plan)
    await steer("resume", plan, KEEP)
    await clinic.advance("2060-03-15 20:00")

    for _ in range(2):
        resumed = await clinic.steering.resume_enrollment(
            clinic.tenant_id, joined.enrollment.id, policy, actor=ACTOR
        )

    _, tasks = await clinic.reading.enrollment(clinic.tenant_id, joined.enrollment.id)
    assert planned(tasks) == [f"2060-{date} 19:00" for date in dates]
    assert (await clinic.states(joined), resumed.status) == (states, "active")
    assert await clinic.states(other) == ["pending"] * 4
    assert await clinic.events("EnrollmentResumed") == 1


async def test_an_enrollment_cannot_be_paused_or_resumed_while_its_plan_is_paused(clinic, steer):
    plan = await clinic.plan()
    going, waiting = await clinic.enroll(plan), await clinic.enroll(plan)
    await clinic.steering.pause_enrollment(clinic.tenant_id, waiting.enrollment.id, actor=ACTOR)
    await steer("pause", plan)

    with pytest.raises(Refused) as pausing:
        await clinic.steering.pause_enrollment(clinic.tenant_id, going.enrollment.id, actor=ACTOR)
    with pytest.raises(Refused) as resuming:
        await clinic.steering.resume_enrollment(clinic.tenant_id, waiting.enrollment.id, KEEP, actor=ACTOR)

    assert (pausing.value.code, resuming.value.code) == ("plan.not_active", "plan.not_active")


async def test_over_a_thousand_enrollments_are_shifted_and_told(clinic, steer):
    plan = await clinic.plan(total_times=2)
    await clinic.enroll_many(plan, 1200)
    await clinic.advance("2060-02-28 12:00")
    await steer("pause", plan)
    await clinic.advance("2060-03-04 12:00")

    await steer("resume", plan, SHIFT)

    (row,) = await clinic.rows(
        "SELECT count(*) AS n, count(DISTINCT planned_at) AS instants, min(planned_at) AS first FROM task"
    )
    assert (row.n, row.instants, row.first) == (2400, 2, at("2060-03-06"))
    assert (
        await clinic.rows('SELECT id FROM enrollment WHERE shifts <> \'[{"from_seq": 1, "days": 5}]\'') == []
    )
    assert await clinic.events("TaskRescheduled") == 2400


async def test_named_dates_cannot_be_shifted(clinic, steer):
    plan = await clinic.plan(schedule_type="fixed_date", fixed_dates=["2060-03-01"])
    joined = await clinic.enroll(plan)
    await steer("pause", plan)

    with pytest.raises(Refused) as caught:
        await steer("resume", plan, SHIFT)

    assert caught.value.code == "plan.fixed_dates_cannot_shift"
    await steer("resume", plan, SKIP)
    await clinic.steering.pause_enrollment(clinic.tenant_id, joined.enrollment.id, actor=ACTOR)
    with pytest.raises(Refused):
        await clinic.steering.resume_enrollment(clinic.tenant_id, joined.enrollment.id, SHIFT, actor=ACTOR)


async def test_skipping_the_last_task_closes_the_enrollment(clinic, steer):
    plan = await clinic.plan(total_times=1)
    joined = await clinic.enroll(plan)
    await steer("pause", plan)
    await clinic.advance("2060-03-02")

    await steer("resume", plan, SKIP)

    enrollment, _ = await clinic.reading.enrollment(clinic.tenant_id, joined.enrollment.id)
    assert (enrollment.status, await clinic.states(joined)) == ("closed", ["canceled:paused"])


async def test_terminating_cancels_what_is_left_and_again_is_a_success_that_changes_nothing(clinic, steer):
    plan, testee = await clinic.plan(), await clinic.testee(external_id="p-1")
    joined = await clinic.enroll(plan, testee=testee)
    await clinic.advance(START)
    await clinic.sweep()

    first = await steer("terminate", plan, "p-1", "moved_away", note="Anna moved to Berlin")
    second = await steer("terminate", plan, testee, "other_reason")

    assert (first.canceled, first.enrollment.status, first.enrollment.reason) == (
        4,
        "terminated",
        "moved_away",
    )
    assert (second.canceled, second.enrollment) == (0, None)
    assert await clinic.states(joined) == ["canceled:enrollment_terminated"] * 4
    assert {task.note for task in await clinic.tasks(plan)} == {"Anna moved to Berlin"}
    assert await clinic.rows("SELECT id FROM outbox WHERE data::text LIKE '%Berlin%'") == []
    assert await clinic.rows("SELECT id FROM audit WHERE detail::text LIKE '%Berlin%'") == []
    with pytest.raises(Absent):
        await steer("terminate", plan, "nobody", "moved_away")
    await clinic.enroll(plan, testee=testee, new_round=True)
    with pytest.raises(Invalid):
        await steer("terminate", plan, testee, "moved away")


async def test_a_paused_enrollment_can_be_terminated(clinic, steer):
    plan, testee = await clinic.plan(), await clinic.testee()
    joined = await clinic.enroll(plan, testee=testee)
    await clinic.steering.pause_enrollment(clinic.tenant_id, joined.enrollment.id, actor=ACTOR)

    assert (await steer("terminate", plan, testee, "moved_away")).canceled == 4
    its = (clinic.tenant_id, joined.enrollment.id)
    for command in (
        clinic.steering.pause_enrollment(*its, actor=ACTOR),
        clinic.steering.resume_enrollment(*its, KEEP, actor=ACTOR),
    ):
        with pytest.raises(Refused) as caught:
            await command
        assert caught.value.code == "enrollment.invalid_transition"


async def test_terminations_that_race_with_an_edit_leave_no_live_task_in_an_ended_enrollment(clinic, steer):
    plan = await clinic.plan(total_times=1)
    testees = [await clinic.testee() for _ in range(24)]
    for testee in testees:
        await clinic.enroll(plan, testee=testee)

    for number in range(8):
        await asyncio.gather(
            clinic.authoring.edit(
                clinic.tenant_id, plan.id, {"total_times": 2 + number, "due_days": 1 + number}, actor=ACTOR
            ),
            *(
                steer("terminate", plan, testee, "moved_away")
                for testee in testees[3 * number : 3 * number + 3]
            ),
        )

    live = "SELECT t.id FROM task t JOIN enrollment e ON e.id = t.enrollment_id WHERE t.status IN ('pending', 'opened')"
    assert await clinic.rows(f"{live} AND e.status IN ('terminated', 'closed')") == []
    assert await statuses(clinic, "enrollment") == {("terminated", "moved_away"): 24}


async def test_a_plan_that_is_not_there_takes_no_command(clinic, neighbour, steer):
    foreign = await neighbour.plan()

    for command in (("pause",), ("resume", KEEP), ("finish",), ("cancel",)):
        with pytest.raises(Absent):
            await steer(command[0], foreign, *command[1:])
