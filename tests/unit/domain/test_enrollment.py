from datetime import date, datetime, timedelta

import pytest
from uuid_utils.compat import uuid7

from qs.domain.kernel.errors import Invalid, QsError, Refused
from qs.domain.plan.enrollment import Enrollment, EnrollmentStatus, Newcomer, enroll
from qs.domain.plan.plan import AssessmentPlan, ResumePolicy
from qs.domain.plan.schedule import OccasionOutOfRange
from qs.domain.plan.task import TaskStatus
from tests.support.builders import a_plan, at, forgetting, joined, names, payload, planned

TICK = timedelta(microseconds=1)
NOW = at("2026-07-02 09:00")


def born(plan: AssessmentPlan, now: datetime) -> list[str | None]:
    """What became of each occasion at enrollment: its reason, or None for one that is pending."""
    enrollment, tasks = joined(plan, now=now)
    assert enrollment.tasks_left == sum(task.status is TaskStatus.PENDING for task in tasks)
    return [task.reason for task in tasks]


def test_an_enrollment_has_one_pending_task_for_each_occasion():
    plan = a_plan(interval=2, total_times=4, due_days=3, catch_up_days=5)

    enrollment, tasks = joined(plan, "2026-07-01")

    assert planned(tasks) == ["2026-07-01 19:00", "2026-07-15 19:00", "2026-07-29 19:00", "2026-08-12 19:00"]
    assert [task.seq for task in tasks] == [1, 2, 3, 4]
    assert [(task.due_at, task.closes_at) for task in tasks[:2]] == [
        (at("2026-07-04"), at("2026-07-06")),
        (at("2026-07-18"), at("2026-07-20")),
    ]
    assert {(task.status, task.reason, task.version) for task in tasks} == {(TaskStatus.PENDING, None, 1)}
    assert {(task.enrollment_id, task.testee_id, task.plan_id, task.scale_code) for task in tasks} == {
        (enrollment.id, enrollment.testee_id, plan.id, "PHQ-9")
    }
    assert (enrollment.tasks_left, enrollment.status, enrollment.start_date, enrollment.shifts) == (
        4,
        EnrollmentStatus.ACTIVE,
        date(2026, 7, 1),
        (),
    )


def test_joining_is_told_once_with_how_many_occasions_can_be_opened():
    plan = a_plan(catch_up_days=7)
    newcomer = Newcomer(uuid7(), None, date(2026, 7, 1))

    enrollment, tasks = enroll(plan, newcomer, 1, at("2026-07-09"), uuid7)

    (event,) = enrollment.recorded
    assert (event.name, payload(event).occasions, event.partition_key) == (
        "EnrollmentJoined",
        3,
        enrollment.id,
    )
    assert [names(task) for task in tasks] == [[], [], [], []]


def test_a_task_keeps_the_zone_of_the_testee_and_else_that_of_the_plan():
    plan = a_plan(timezone="Asia/Shanghai")

    _, own = joined(plan, timezone="Europe/London")
    _, shared = joined(plan)

    assert ({task.timezone for task in own}, own[0].planned_at) == (
        {"Europe/London"},
        at("2026-07-01", "Europe/London"),
    )
    assert ({task.timezone for task in shared}, shared[0].planned_at) == (
        {"Asia/Shanghai"},
        at("2026-07-01", "Asia/Shanghai"),
    )


def test_due_and_closing_days_are_calendar_days_across_a_change_of_clocks():
    plan = a_plan(timezone="Europe/Berlin", trigger_time="09:00", due_days=7, catch_up_days=1)

    _, tasks = joined(plan, "2026-03-28", now=at("2026-03-01", "Europe/Berlin"))

    assert tasks[0].due_at - tasks[0].planned_at == timedelta(hours=167)
    assert tasks[0].closes_at == tasks[0].planned_at + timedelta(hours=23)


@pytest.mark.parametrize(
    ("now", "first"), [(at("2026-07-08") - TICK, None), (at("2026-07-08"), "late_enrollment")]
)
def test_an_occasion_is_late_from_the_very_instant_its_window_has_closed(now, first):
    assert born(a_plan(catch_up_days=7), now) == [first, None, None, None]


def test_a_late_occasion_is_canceled_at_birth_and_outside_every_event():
    enrollment, tasks = joined(a_plan(catch_up_days=7), now=at("2026-07-20"))

    assert [task.status for task in tasks] == ["canceled", "canceled", "pending", "pending"]
    assert [task.canceled_at for task in tasks] == [at("2026-07-20"), at("2026-07-20"), None, None]
    assert [names(task) for task in tasks] == [[], [], [], []]
    assert enrollment.tasks_left == 2


@pytest.mark.parametrize(
    ("now", "refused"), [(at("2026-07-29") - TICK, False), (at("2026-07-29"), True), (at("2027-01-01"), True)]
)
def test_an_enrollment_that_is_entirely_past_is_refused(now, refused):
    plan = a_plan(catch_up_days=7)

    if not refused:
        assert born(plan, now)[-1] is None
        return
    with pytest.raises(Invalid) as caught:
        joined(plan, now=now)
    assert (caught.value.code, caught.value.problems[0].pointer) == (
        "enrollment.entirely_past",
        "/start_date",
    )


def test_without_a_window_nothing_is_ever_late():
    assert born(a_plan(catch_up_days=None), at("2030-01-01")) == [None] * 4


def test_where_only_the_latest_occasion_counts_older_due_ones_are_late_at_once():
    plan = a_plan(catch_up="latest", catch_up_days=None)

    assert born(plan, at("2026-07-15") - TICK) == ["late_enrollment", None, None, None]
    assert born(plan, at("2026-07-15")) == ["late_enrollment", "late_enrollment", None, None]
    assert born(plan, at("2026-07-01") - TICK) == [None, None, None, None]


def test_the_latest_occasion_is_late_too_once_its_own_window_has_closed():
    plan = a_plan(catch_up="latest", catch_up_days=3)

    assert born(plan, at("2026-07-12")) == ["late_enrollment", "late_enrollment", None, None]


def test_a_daily_plan_asks_only_for_the_latest_unless_told_otherwise():
    daily = {"schedule_type": "by_day", "interval": 1, "total_times": 5}

    assert born(a_plan(**daily), at("2026-07-03")) == ["late_enrollment"] * 2 + [None] * 3
    assert born(a_plan(**daily, catch_up="all"), at("2026-07-03")) == [None] * 5


def test_a_plan_that_is_not_active_takes_nobody_new():
    plan = a_plan()
    plan.pause(NOW)

    with pytest.raises(Refused) as caught:
        joined(plan)

    assert caught.value.code == "plan.not_active"


def test_an_occasion_after_2199_is_refused_with_its_seq():
    plan = a_plan(interval=366, total_times=100)

    with pytest.raises(OccasionOutOfRange) as caught:
        joined(plan, "2099-12-31")

    assert (caught.value.code, caught.value.seq) == ("plan.occasion_out_of_range", 16)


def test_an_enrollment_closes_with_its_last_task_and_not_before():
    enrollment, _ = joined(a_plan())

    enrollment.settle(3, NOW)
    assert (enrollment.status, enrollment.tasks_left, names(enrollment)) == (EnrollmentStatus.ACTIVE, 1, [])

    enrollment.settle(1, NOW)
    assert (enrollment.status, enrollment.tasks_left, enrollment.ended_at) == (
        EnrollmentStatus.CLOSED,
        0,
        NOW,
    )
    assert names(enrollment) == ["EnrollmentClosed"]


def test_a_paused_enrollment_closes_too():
    enrollment, _ = joined(a_plan())
    enrollment.pause(a_plan(), NOW)

    enrollment.settle(4, NOW)

    assert (enrollment.status, names(enrollment)) == (
        EnrollmentStatus.CLOSED,
        ["EnrollmentPaused", "EnrollmentClosed"],
    )


def test_settling_nothing_changes_nothing():
    enrollment, _ = joined(a_plan())

    enrollment.settle(0, NOW)

    assert (enrollment.status, enrollment.tasks_left, names(enrollment)) == (EnrollmentStatus.ACTIVE, 4, [])


COMMANDS = {
    "pause": lambda enrollment, plan: enrollment.pause(plan, NOW),
    "resume": lambda enrollment, plan: enrollment.resume(ResumePolicy.KEEP, plan, NOW),
    "terminate": lambda enrollment, plan: enrollment.terminate("moved_away", NOW),
}
REFUSED = "enrollment.invalid_transition"
# By command: what becomes of an active, paused, closed and terminated one; None is a success that changes nothing.
GRAPH = {
    "pause": ("paused", None, REFUSED, REFUSED),
    "resume": (None, "active", REFUSED, REFUSED),
    "terminate": ("terminated", "terminated", None, None),
}


def in_state(status: str) -> Enrollment:
    enrollment, _ = joined(a_plan())
    if status == "paused":
        enrollment.pause(a_plan(), at("2026-07-01"))
    elif status == "closed":
        enrollment.settle(4, NOW)
    elif status == "terminated":
        enrollment.terminate("withdrawn", NOW)
    return forgetting(enrollment)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("status", list(EnrollmentStatus))
def test_an_enrollment_takes_the_commands_of_its_state_graph(command, status):
    enrollment = in_state(status)
    expected = GRAPH[command][list(EnrollmentStatus).index(status)]

    changed, code = False, None
    try:
        changed = COMMANDS[command](enrollment, a_plan())
    except QsError as error:
        code = error.code

    assert (code or (enrollment.status.value if changed else None)) == expected
    assert len(enrollment.recorded) == (1 if changed else 0)
    assert changed or enrollment.status == status


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_an_enrollment_is_paused_and_resumed_only_while_its_plan_is_active(command):
    plan = a_plan()
    plan.pause(NOW)
    enrollment = in_state("active" if command == "pause" else "paused")
    before = enrollment.status

    with pytest.raises(Refused) as caught:
        COMMANDS[command](enrollment, plan)

    assert (caught.value.code, enrollment.status) == ("plan.not_active", before)


def test_repeating_a_pause_is_a_success_even_while_the_plan_is_paused():
    plan = a_plan()
    plan.pause(NOW)

    assert in_state("paused").pause(plan, NOW) is False
    assert in_state("active").resume(ResumePolicy.KEEP, plan, NOW) is False


def test_named_dates_cannot_be_shifted_for_one_testee_either():
    plan = a_plan(schedule_type="fixed_date", fixed_dates=["2026-07-01", "2026-08-01"])
    enrollment, _ = joined(plan)
    enrollment.pause(plan, NOW)

    with pytest.raises(Refused) as caught:
        enrollment.resume(ResumePolicy.SHIFT, plan, NOW)

    assert (caught.value.code, enrollment.status) == ("plan.fixed_dates_cannot_shift", "paused")


def test_a_terminated_enrollment_has_nothing_left_and_says_why():
    enrollment = in_state("active")

    enrollment.terminate("moved_away", NOW)

    (event,) = enrollment.recorded
    assert (enrollment.tasks_left, enrollment.reason, enrollment.ended_at) == (0, "moved_away", NOW)
    assert (event.name, payload(event).reason, payload(event).round) == (
        "EnrollmentTerminated",
        "moved_away",
        1,
    )


def test_the_reason_of_a_termination_is_a_word_and_never_free_text():
    enrollment = in_state("active")

    with pytest.raises(Invalid) as caught:
        enrollment.terminate("Anna moved away", NOW)

    assert (caught.value.problems[0].pointer, enrollment.status) == ("/reason", "active")


def test_pausing_and_resuming_are_told_with_their_instants_and_policy():
    plan = a_plan()
    enrollment, _ = joined(plan)

    enrollment.pause(plan, NOW)
    enrollment.resume(ResumePolicy.SKIP, plan, at("2026-07-09"))

    assert names(enrollment) == ["EnrollmentPaused", "EnrollmentResumed"]
    assert payload(enrollment.recorded[1]).policy == "skip"
    assert (enrollment.paused_at, enrollment.resumed_at) == (NOW, at("2026-07-09"))
