from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from qs.domain.plan.enrollment import Enrollment, EnrollmentStatus
from qs.domain.plan.plan import AssessmentPlan, ResumePolicy
from qs.domain.plan.resuming import resume_tasks
from qs.domain.plan.schedule import OccasionOutOfRange, Shift
from qs.domain.plan.task import AssessmentTask, TaskStatus
from tests.support.builders import (
    SHANGHAI,
    a_plan,
    at,
    completed,
    forgetting,
    joined,
    local,
    names,
    opened,
    planned,
)

PAUSED = at("2026-07-08")
RESUMED = at("2026-07-22")
TICK = timedelta(microseconds=1)
ACTOR = "user:anna"
NEW_YORK = "America/New_York"


def resumed(
    plan: AssessmentPlan,
    enrollment: Enrollment,
    tasks: Sequence[AssessmentTask],
    policy: ResumePolicy,
    paused_at: datetime = PAUSED,
    now: datetime = RESUMED,
) -> list[AssessmentTask]:
    return resume_tasks(plan, enrollment, tasks, policy, paused_at, now, ACTOR)


def test_keep_leaves_every_task_to_the_next_sweep():
    plan = a_plan()
    enrollment, tasks = joined(plan)

    changed = resumed(plan, enrollment, tasks, ResumePolicy.KEEP)

    assert (changed, planned(tasks)[1], enrollment.shifts) == ([], "2026-07-08 19:00", ())
    assert [names(task) for task in tasks] == [[]] * 4


@pytest.mark.parametrize(
    ("paused_at", "resumed_at", "skipped"),
    [
        (PAUSED, RESUMED, [2, 3]),
        (PAUSED + TICK, RESUMED, [3]),
        (PAUSED, RESUMED + TICK, [2, 3, 4]),
        (PAUSED - TICK, PAUSED, []),
    ],
)
def test_skip_cancels_what_was_planned_from_the_pause_until_just_before_the_resumption(
    paused_at, resumed_at, skipped
):
    plan = a_plan()
    enrollment, tasks = joined(plan)

    changed = resumed(plan, enrollment, tasks, ResumePolicy.SKIP, paused_at, resumed_at)

    assert [task.seq for task in changed] == skipped
    assert {task.seq for task in tasks if task.reason == "paused"} == set(skipped)
    assert enrollment.tasks_left == 4 - len(skipped)
    assert {name for task in changed for name in names(task)} <= {"TaskCanceled"}


def test_skip_touches_neither_opened_nor_finished_tasks():
    plan = a_plan()
    enrollment, tasks = joined(plan)
    opened(tasks[1])
    completed(tasks[2])

    changed = resumed(plan, enrollment, tasks, ResumePolicy.SKIP)

    assert (changed, tasks[1].status, tasks[2].status) == ([], TaskStatus.OPENED, TaskStatus.COMPLETED)


def test_skip_closes_an_enrollment_of_which_nothing_is_left():
    plan = a_plan(total_times=2)
    enrollment, tasks = joined(plan)
    completed(tasks[0])
    enrollment.settle(1, PAUSED)

    resumed(plan, enrollment, tasks, ResumePolicy.SKIP)

    assert (enrollment.status, names(enrollment)) == (EnrollmentStatus.CLOSED, ["EnrollmentClosed"])


def test_shift_moves_what_was_to_come_by_the_days_of_the_pause_with_its_windows():
    plan = a_plan(due_days=2, catch_up_days=3)
    enrollment, tasks = joined(plan)
    opened(tasks[0])

    changed = resumed(plan, enrollment, tasks, ResumePolicy.SHIFT)

    assert planned(tasks) == ["2026-07-01 19:00", "2026-07-22 19:00", "2026-07-29 19:00", "2026-08-05 19:00"]
    assert [task.seq for task in changed] == [2, 3, 4]
    assert (tasks[1].due_at, tasks[1].closes_at) == (at("2026-07-24"), at("2026-07-25"))
    assert enrollment.shifts == (Shift(2, 14),)
    assert [names(task) for task in tasks] == [[]] + [["TaskRescheduled"]] * 3
    assert enrollment.tasks_left == 4


def test_shift_leaves_what_was_due_before_the_pause_as_keep_does():
    plan = a_plan()
    enrollment, tasks = joined(plan)

    changed = resumed(plan, enrollment, tasks, ResumePolicy.SHIFT, PAUSED + TICK)

    assert [task.seq for task in changed] == [3, 4]
    assert (planned(tasks)[1], enrollment.shifts) == ("2026-07-08 19:00", (Shift(3, 14),))


@pytest.mark.parametrize(
    ("paused_at", "resumed_at", "days"),
    [
        ("2026-07-08 23:59", "2026-07-09 00:01", 1),
        ("2026-07-09 00:00", "2026-07-09 23:59", 0),
        ("2026-07-08 20:00", "2026-07-11 11:00", 3),
    ],
)
def test_days_of_a_pause_are_counted_on_the_calendar_of_the_tasks_zone(paused_at, resumed_at, days):
    plan = a_plan()
    enrollment, tasks = joined(plan)

    resumed(plan, enrollment, tasks, ResumePolicy.SHIFT, at(paused_at), at(resumed_at))

    assert tasks[2].planned_at == at("2026-07-15") + timedelta(days=days)
    assert enrollment.shifts == ((Shift(3, days),) if days else ())


def test_the_zone_of_the_testee_decides_how_many_days_a_pause_had():
    plan = a_plan()
    enrollment, tasks = joined(plan, timezone="America/New_York")
    # The same instants lie on one date in New York and on two in Shanghai.
    paused_at, resumed_at = at("2026-07-03 22:00"), at("2026-07-04 02:00")

    assert resumed(plan, enrollment, tasks, ResumePolicy.SHIFT, paused_at, resumed_at) == []
    assert enrollment.shifts == ()


def test_a_shift_is_added_after_the_month_was_clamped():
    plan = a_plan(schedule_type="by_month", interval=1, total_times=4)
    enrollment, tasks = joined(plan, "2026-01-31")
    opened(tasks[0])

    resumed(plan, enrollment, tasks, ResumePolicy.SHIFT, at("2026-02-10"), at("2026-02-13"))

    assert planned(tasks)[1:] == ["2026-03-03 19:00", "2026-04-03 19:00", "2026-05-03 19:00"]


def test_shifts_of_several_pauses_add_up():
    plan = a_plan()
    enrollment, tasks = joined(plan)
    opened(tasks[0])
    resumed(plan, enrollment, tasks, ResumePolicy.SHIFT, at("2026-07-03"), at("2026-07-05"))
    opened(tasks[1])

    resumed(plan, enrollment, tasks, ResumePolicy.SHIFT, at("2026-07-12"), at("2026-07-15"))

    assert planned(tasks) == ["2026-07-01 19:00", "2026-07-10 19:00", "2026-07-20 19:00", "2026-07-27 19:00"]
    assert enrollment.shifts == (Shift(2, 2), Shift(3, 3))


def test_a_pinned_task_moves_by_the_same_days_from_where_it_is():
    plan = a_plan()
    enrollment, tasks = joined(plan)
    tasks[2].move(at("2026-07-20 08:00"), at("2026-07-21"), None, PAUSED, by=ACTOR, pin=True)
    forgetting(tasks[2])

    resumed(plan, enrollment, tasks, ResumePolicy.SHIFT)

    assert planned(tasks)[2:] == ["2026-08-03 08:00", "2026-08-05 19:00"]
    assert (tasks[2].pinned, names(tasks[2])) == (True, ["TaskRescheduled"])


def test_a_task_pinned_ahead_of_the_rule_does_not_carry_earlier_occasions_into_the_shift():
    plan = a_plan()
    enrollment, tasks = joined(plan)
    tasks[0].move(at("2026-07-19 08:00"), at("2026-07-21"), None, PAUSED, by=ACTOR, pin=True)

    resumed(plan, enrollment, tasks, ResumePolicy.SHIFT, PAUSED + TICK)

    assert planned(tasks) == ["2026-08-02 08:00", "2026-07-08 19:00", "2026-07-29 19:00", "2026-08-05 19:00"]
    assert enrollment.shifts == (Shift(3, 14),)


def test_a_pinned_task_before_the_pause_stays():
    plan = a_plan()
    enrollment, tasks = joined(plan)
    tasks[3].move(at("2026-07-07"), at("2026-07-08"), None, at("2026-07-01"), by=ACTOR, pin=True)

    resumed(plan, enrollment, tasks, ResumePolicy.SHIFT)

    assert planned(tasks)[3] == "2026-07-07 19:00"


def test_shift_moves_nothing_that_is_opened_or_finished():
    plan = a_plan()
    enrollment, tasks = joined(plan)
    opened(tasks[2])
    tasks[3].cancel("withdrawn", PAUSED)

    changed = resumed(plan, enrollment, tasks, ResumePolicy.SHIFT)

    assert [task.seq for task in changed] == [2]
    assert planned(tasks)[2:] == ["2026-07-15 19:00", "2026-07-22 19:00"]


def test_where_nothing_is_to_come_no_shift_is_kept():
    plan = a_plan(total_times=1)
    enrollment, tasks = joined(plan)
    opened(tasks[0])

    assert resumed(plan, enrollment, tasks, ResumePolicy.SHIFT) == []
    assert enrollment.shifts == ()


@pytest.mark.parametrize(
    ("rule", "pinned", "days", "pinned_days"),
    [(SHANGHAI, NEW_YORK, 2, 3), (NEW_YORK, SHANGHAI, 3, 2)],
)
def test_a_pinned_task_counts_the_days_in_its_own_zone_and_the_rule_in_that_of_the_others(
    rule, pinned, days, pinned_days
):
    plan = a_plan(total_times=3)
    enrollment, tasks = joined(plan, timezone=rule)
    before = [task.planned_at for task in tasks]
    there = at("2026-07-20 12:00")
    tasks[0].move(there, there, None, at("2026-07-01"), timezone=pinned, by=ACTOR, pin=True)
    # In New York the pause began on the evening of the day before, and ended on the same date.
    paused_at, resumed_at = at("2026-07-03 10:00"), at("2026-07-05 13:00")

    resumed(plan, enrollment, tasks, ResumePolicy.SHIFT, paused_at, resumed_at)

    assert enrollment.shifts == (Shift(2, days),)
    assert tasks[0].planned_at == there + timedelta(days=pinned_days)
    assert [task.planned_at - was for task, was in zip(tasks[1:], before[1:], strict=True)] == [
        timedelta(days=days)
    ] * 2


@pytest.mark.parametrize(
    ("rule", "pinned", "moved", "shifts"),
    [(NEW_YORK, SHANGHAI, [1], ()), (SHANGHAI, NEW_YORK, [2], (Shift(2, 1),))],
)
def test_a_pause_of_no_day_in_one_zone_still_moves_what_lies_in_another(rule, pinned, moved, shifts):
    plan = a_plan(total_times=2)
    enrollment, tasks = joined(plan, timezone=rule)
    there = at("2026-07-20 12:00")
    tasks[0].move(there, there, None, at("2026-07-01"), timezone=pinned, by=ACTOR, pin=True)
    # Midnight of Shanghai lies between them, and none of New York.
    paused_at, resumed_at = at("2026-07-03 22:00"), at("2026-07-04 02:00")

    changed = resumed(plan, enrollment, tasks, ResumePolicy.SHIFT, paused_at, resumed_at)

    assert ([task.seq for task in changed], enrollment.shifts) == (moved, shifts)


def test_tasks_of_two_zones_shift_to_what_the_rule_says_in_each():
    plan = a_plan(schedule_type="by_day", interval=1, total_times=2, trigger_time="02:30")
    enrollment, tasks = joined(plan, "2026-03-07", timezone=NEW_YORK, now=at("2026-03-06 00:00"))
    first = at("2026-03-07 02:30")
    tasks[0].move(first, first, None, at("2026-03-06 00:00"), timezone=SHANGHAI)
    assert local(tasks[1].planned_at, NEW_YORK) == "2026-03-08 03:00", "there is no 02:30 on that day"

    resumed(plan, enrollment, tasks, ResumePolicy.SHIFT, at("2026-03-06 12:00"), at("2026-03-08 12:00"))

    assert local(tasks[0].planned_at) == "2026-03-09 02:30"
    assert local(tasks[1].planned_at, NEW_YORK) == "2026-03-10 02:30"


def test_a_shift_beyond_what_is_planned_for_points_at_no_field_since_none_was_given():
    plan = a_plan(schedule_type="custom", relative_days=[0, 36_500])
    enrollment, tasks = joined(plan, "2099-12-31", now=at("2099-12-01"))

    with pytest.raises(OccasionOutOfRange) as caught:
        resumed(plan, enrollment, tasks, ResumePolicy.SHIFT, at("2099-12-01"), at("2100-01-15"))

    assert (caught.value.seq, [problem.pointer for problem in caught.value.problems]) == (2, [""])
