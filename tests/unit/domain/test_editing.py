from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from qs.domain.plan.editing import Revision, revise
from qs.domain.plan.enrollment import EnrollmentStatus
from qs.domain.plan.plan import ResumePolicy
from qs.domain.plan.planning import windows
from qs.domain.plan.resuming import resume_tasks
from qs.domain.plan.schedule import OccasionOutOfRange
from qs.domain.plan.task import TaskStatus
from tests.support.builders import (
    a_plan,
    at,
    completed,
    edited,
    forgetting,
    joined,
    local,
    names,
    opened,
    planned,
)

NOW = at("2026-07-02 09:00")
TICK = timedelta(microseconds=1)
EDITOR = "user:anna"


def revised(plan, enrollment, tasks, now=NOW, zone=None) -> Revision:
    """Applies the plan as it is now; tasks that came into being join the list."""
    revision = revise(plan, enrollment, tasks, zone or plan.timezone, now, EDITOR, uuid7)
    tasks += revision.created
    return revision


def shown(revision: Revision) -> list[tuple[int, str, str | None, str | None]]:
    return [(c.seq, c.action, local(c.before), local(c.after)) for c in revision.changes]


def states(tasks) -> list[tuple[int, str, str | None]]:
    return [(task.seq, task.status.value, task.reason) for task in sorted(tasks, key=lambda t: t.seq)]


def live(tasks) -> int:
    return sum(task.is_live for task in tasks)


def test_pending_tasks_move_to_the_new_time_and_keep_their_ids():
    plan = a_plan()
    enrollment, tasks = joined(plan)
    opened(tasks[0])
    ids = [task.id for task in tasks]

    revision = revised(edited(plan, trigger_time="08:30", due_days=2), enrollment, tasks)

    assert planned(tasks) == ["2026-07-01 19:00", "2026-07-08 08:30", "2026-07-15 08:30", "2026-07-22 08:30"]
    assert shown(revision) == [
        (2, "reschedule", "2026-07-08 19:00", "2026-07-08 08:30"),
        (3, "reschedule", "2026-07-15 19:00", "2026-07-15 08:30"),
        (4, "reschedule", "2026-07-22 19:00", "2026-07-22 08:30"),
    ]
    assert [task.id for task in tasks] == ids
    assert (tasks[1].due_at, tasks[1].closes_at) == (at("2026-07-10 08:30"), at("2026-07-15 08:30"))
    assert ([task.schedule_revision for task in tasks], enrollment.tasks_left) == ([1, 2, 2, 2], 4)
    assert [names(task) for task in tasks] == [[]] + [["TaskRescheduled"]] * 3


def test_opened_and_finished_tasks_never_move_and_are_never_dropped():
    plan = a_plan()
    enrollment, tasks = joined(plan)
    completed(tasks[0])
    opened(tasks[1])
    enrollment.settle(1, NOW)

    revised(edited(plan, total_times=1, interval=4), enrollment, tasks, now=at("2026-07-09"))

    assert states(tasks) == [
        (1, "completed", None),
        (2, "opened", None),
        (3, "canceled", "schedule_edited"),
        (4, "canceled", "schedule_edited"),
    ]
    assert [task.dropped for task in tasks] == [False, False, True, True]
    assert (planned(tasks[:2]), enrollment.tasks_left) == (["2026-07-01 19:00", "2026-07-08 19:00"], 1)


def test_missing_occasions_are_created():
    plan = a_plan(total_times=2)
    enrollment, tasks = joined(plan)

    revision = revised(edited(plan, total_times=4), enrollment, tasks)

    assert shown(revision) == [
        (3, "create", None, "2026-07-15 19:00"),
        (4, "create", None, "2026-07-22 19:00"),
    ]
    assert [c.task_id for c in revision.changes] == [task.id for task in tasks[2:]]
    assert (enrollment.tasks_left, live(tasks), tasks[3].enrollment_id) == (4, 4, enrollment.id)
    assert tasks[3].schedule_revision == 2


def test_dropped_occasions_are_canceled_and_told():
    plan = a_plan()
    enrollment, tasks = joined(plan)

    revision = revised(edited(plan, total_times=3), enrollment, tasks)

    assert shown(revision) == [(4, "cancel", "2026-07-22 19:00", None)]
    assert (tasks[3].reason, tasks[3].dropped, names(tasks[3])) == (
        "schedule_edited",
        True,
        ["TaskCanceled"],
    )
    assert enrollment.tasks_left == live(tasks) == 3


def test_a_returning_occasion_gets_a_new_task_of_the_same_seq():
    plan = a_plan()
    enrollment, tasks = joined(plan)
    revised(edited(plan, total_times=3), enrollment, tasks)

    revision = revised(edited(plan, total_times=4), enrollment, tasks)

    (back,) = revision.created
    assert (back.seq, back.status, back.id != tasks[3].id) == (4, TaskStatus.PENDING, True)
    assert (tasks[3].status, enrollment.tasks_left) == (TaskStatus.CANCELED, 4)


def test_an_occasion_somebody_canceled_does_not_return():
    plan = a_plan()
    enrollment, tasks = joined(plan)
    tasks[3].cancel("withdrawn", NOW)
    enrollment.settle(1, NOW)

    revision = revised(edited(plan, trigger_time="08:30"), enrollment, tasks)

    assert (revision.created, tasks[3].reason, enrollment.tasks_left) == ([], "withdrawn", 3)


def test_a_task_that_lands_past_its_window_is_canceled_as_late():
    plan = a_plan(interval=2, catch_up_days=3)
    enrollment, tasks = joined(plan)
    opened(tasks[0])
    now = at("2026-07-11")

    revision = revised(edited(plan, now, interval=1), enrollment, tasks, now)

    assert states(tasks) == [
        (1, "opened", None),
        (2, "canceled", "late_edit"),
        (3, "pending", None),
        (4, "pending", None),
    ]
    assert shown(revision)[0] == (2, "cancel", "2026-07-15 19:00", None)
    assert (tasks[1].dropped, names(tasks[1]), enrollment.tasks_left) == (False, ["TaskCanceled"], 3)


def test_a_task_that_lands_just_inside_its_window_stays():
    plan = a_plan(interval=2, catch_up_days=3)
    enrollment, tasks = joined(plan)
    opened(tasks[0])
    now = at("2026-07-11") - TICK

    revised(edited(plan, now, interval=1), enrollment, tasks, now)

    assert tasks[1].status is TaskStatus.PENDING


def test_an_occasion_created_past_its_window_is_canceled_at_birth():
    plan = a_plan(schedule_type="custom", relative_days=[0, 30], catch_up_days=3)
    enrollment, tasks = joined(plan)
    opened(tasks[0])
    now = at("2026-07-20")

    revision = revised(
        edited(plan, now, relative_days=[0, 1, 2, 40], total_times=None), enrollment, tasks, now
    )

    assert [(task.seq, task.reason, names(task)) for task in revision.created] == [
        (3, "late_edit", []),
        (4, None, []),
    ]
    assert (tasks[1].reason, enrollment.tasks_left) == ("late_edit", 2)


def test_a_task_whose_window_had_closed_before_is_left_for_the_sweep_to_miss():
    plan = a_plan(catch_up_days=3)
    enrollment, tasks = joined(plan)
    now = at("2026-07-05")

    revised(edited(plan, now, total_times=5), enrollment, tasks, now)

    assert (tasks[0].status, enrollment.tasks_left) == (TaskStatus.PENDING, 5)


def test_a_shorter_window_closes_on_tasks_that_did_not_move():
    plan = a_plan(catch_up_days=7)
    enrollment, tasks = joined(plan)
    now = at("2026-07-05")

    revised(edited(plan, now, catch_up_days=3), enrollment, tasks, now)

    assert states(tasks)[:2] == [(1, "canceled", "late_edit"), (2, "pending", None)]


def test_what_only_the_latest_would_miss_at_once_is_late():
    plan = a_plan(schedule_type="by_day", interval=1, total_times=6, catch_up="all")
    enrollment, tasks = joined(plan)
    now = at("2026-07-03")

    revised(edited(plan, now, catch_up="latest"), enrollment, tasks, now)

    assert [task.reason for task in tasks] == ["late_edit", "late_edit", None, None, None, None]
    assert enrollment.tasks_left == 4


def test_a_canceled_occasion_does_not_supersede_an_older_one():
    plan = a_plan(schedule_type="by_day", interval=1, total_times=6, catch_up="all")
    enrollment, tasks = joined(plan)
    now = at("2026-07-03")
    tasks[2].cancel("withdrawn", now)
    enrollment.settle(1, now)

    revised(edited(plan, now, catch_up="latest"), enrollment, tasks, now)

    assert [task.reason for task in tasks[:4]] == ["late_edit", None, "withdrawn", None]


def test_an_occasion_that_was_asked_supersedes_older_ones_whatever_became_of_it():
    plan = a_plan(schedule_type="by_day", interval=1, total_times=6, catch_up="all")
    enrollment, tasks = joined(plan)
    completed(tasks[2])
    enrollment.settle(1, at("2026-07-03"))

    revised(edited(plan, at("2026-07-03"), catch_up="latest"), enrollment, tasks, at("2026-07-03 20:00"))

    assert [task.reason for task in tasks[:4]] == ["late_edit", "late_edit", None, None]


def test_a_paused_plan_misses_nothing_so_the_latest_makes_nothing_late():
    plan = a_plan(schedule_type="by_day", interval=1, total_times=6)
    enrollment, tasks = joined(plan)
    plan.pause(at("2026-07-01 12:00"))
    now = at("2026-07-04")

    revised(edited(plan, now, total_times=7), enrollment, tasks, now)

    assert live(tasks) == enrollment.tasks_left == 7


def test_a_paused_enrollment_misses_nothing_either():
    plan = a_plan(schedule_type="by_day", interval=1, total_times=6)
    enrollment, tasks = joined(plan)
    enrollment.pause(plan, at("2026-07-01 12:00"))
    now = at("2026-07-04")

    revised(edited(plan, now, total_times=7), enrollment, tasks, now)

    assert live(tasks) == enrollment.tasks_left == 7


def test_a_pinned_task_keeps_its_instant_and_takes_the_new_windows():
    plan = a_plan()
    enrollment, tasks = joined(plan)
    there = at("2026-07-10 12:00")
    tasks[1].move(there, there, there, NOW, by=EDITOR, pin=True)
    forgetting(tasks[1])

    revision = revised(edited(plan, trigger_time="08:30", due_days=2, catch_up_days=4), enrollment, tasks)

    assert (tasks[1].planned_at, tasks[1].due_at, tasks[1].closes_at) == (
        there,
        at("2026-07-12 12:00"),
        at("2026-07-14 12:00"),
    )
    assert ([c.seq for c in revision.changes], names(tasks[1])) == ([1, 3, 4], [])


def test_a_pinned_task_keeps_the_zone_it_was_pinned_in_whatever_zone_the_others_go_to():
    plan = a_plan()
    enrollment, tasks = joined(plan)
    there = at("2026-07-10 12:00")
    tasks[1].move(there, there, there, NOW, by=EDITOR, pin=True)

    revised(edited(plan, due_days=2), enrollment, tasks, zone="Europe/London")

    assert [task.timezone for task in tasks[1:3]] == ["Asia/Shanghai", "Europe/London"]
    assert tasks[1].due_at == at("2026-07-12 12:00")


def test_a_task_that_is_left_to_be_missed_supersedes_older_ones():
    plan = a_plan(schedule_type="by_day", interval=1, total_times=2, trigger_time="18:30", catch_up_days=1)
    enrollment, tasks = joined(plan, "2026-10-23")
    # London puts its clocks back that night, so that the window of the older one closes half an hour later.
    older = at("2026-10-24 18:00")
    london = windows(older, plan.terms, "Europe/London")
    tasks[0].move(older, *london, at("2026-10-23"), timezone="Europe/London", by=EDITOR, pin=True)
    now = at("2026-10-25 18:45")

    revised(edited(plan, now, due_days=2), enrollment, tasks, now)

    assert states(tasks) == [(1, "canceled", "late_edit"), (2, "pending", None)]


def test_an_edit_beyond_what_is_planned_for_does_not_point_at_a_start_date_it_has_not():
    plan = a_plan(schedule_type="by_month", interval=366, total_times=4)
    enrollment, tasks = joined(plan, "2099-12-31", now=at("2099-12-01"))

    with pytest.raises(OccasionOutOfRange) as caught:
        revised(edited(plan, total_times=5), enrollment, tasks)

    assert (caught.value.seq, [problem.pointer for problem in caught.value.problems]) == (5, [""])


def test_a_pinned_task_supersedes_by_where_it_is_and_not_by_the_rule():
    plan = a_plan(schedule_type="by_day", interval=1, total_times=3, catch_up="all")
    enrollment, tasks = joined(plan)
    later = at("2026-07-20")
    tasks[1].move(later, later, None, at("2026-07-01"), by=EDITOR, pin=True)
    now = at("2026-07-02 20:00")

    revised(edited(plan, now, catch_up="latest"), enrollment, tasks, now)

    assert [task.reason for task in tasks] == [None, None, None]


def test_dropping_its_occasion_cancels_a_pinned_task():
    plan = a_plan()
    enrollment, tasks = joined(plan)
    tasks[3].move(at("2026-07-30"), at("2026-08-01"), None, NOW, by=EDITOR, pin=True)

    revised(edited(plan, total_times=3), enrollment, tasks)

    assert (tasks[3].status, tasks[3].reason, enrollment.tasks_left) == (
        TaskStatus.CANCELED,
        "schedule_edited",
        3,
    )


def test_an_enrollment_left_with_no_open_task_closes():
    plan = a_plan(total_times=2)
    enrollment, tasks = joined(plan)
    completed(tasks[0])
    enrollment.settle(1, NOW)

    revised(edited(plan, total_times=1), enrollment, tasks)

    assert (enrollment.status, enrollment.tasks_left) == (EnrollmentStatus.CLOSED, 0)
    assert names(enrollment) == ["EnrollmentClosed"]


def test_an_enrollment_that_loses_one_task_and_wins_another_goes_on():
    plan = a_plan(schedule_type="custom", relative_days=[0, 10], catch_up_days=3)
    enrollment, tasks = joined(plan)
    completed(tasks[0])
    enrollment.settle(1, NOW)
    now = at("2026-07-08")

    revised(edited(plan, now, relative_days=[0, 1, 20], total_times=None), enrollment, tasks, now)

    assert [task.reason for task in tasks] == [None, "late_edit", None]
    assert (enrollment.status, enrollment.tasks_left) == (EnrollmentStatus.ACTIVE, 1)


def test_an_edit_takes_the_zone_it_is_given_for_what_is_rescheduled():
    plan = a_plan()
    enrollment, tasks = joined(plan)
    opened(tasks[0])

    revised(edited(plan, total_times=2), enrollment, tasks, zone="Europe/London")

    assert [task.timezone for task in tasks[:2]] == ["Asia/Shanghai", "Europe/London"]
    assert tasks[1].planned_at == at("2026-07-08", "Europe/London")


def test_shifts_of_a_resumption_stay_under_later_edits():
    plan = a_plan(schedule_type="by_month", interval=1, total_times=4, catch_up_days=None)
    enrollment, tasks = joined(plan, "2026-01-31", now=at("2026-01-01"))
    opened(tasks[0])
    resumed_at = at("2026-02-20 09:00")
    resume_tasks(plan, enrollment, tasks, ResumePolicy.SHIFT, at("2026-02-10 09:00"), resumed_at, EDITOR)
    assert planned(tasks)[1:] == ["2026-03-10 19:00", "2026-04-10 19:00", "2026-05-10 19:00"]

    revised(edited(plan, trigger_time="08:00", total_times=5), enrollment, tasks, resumed_at)

    assert planned(tasks) == [
        "2026-01-31 19:00",
        "2026-03-10 08:00",
        "2026-04-10 08:00",
        "2026-05-10 08:00",
        "2026-06-10 08:00",
    ]


def test_an_edit_says_who_made_it_in_the_history_of_what_it_moved():
    plan = a_plan()
    enrollment, tasks = joined(plan)

    revised(edited(plan, trigger_time="08:30", total_times=3), enrollment, tasks)

    assert [(entry["fact"], entry["actor"]) for task in tasks[2:] for entry in task.history] == [
        ("rescheduled", EDITOR),
        ("canceled", EDITOR),
    ]


def test_the_same_edit_again_changes_nothing():
    plan = a_plan()
    enrollment, tasks = joined(plan)
    revised(edited(plan, trigger_time="08:30", total_times=5), enrollment, tasks)

    revision = revised(edited(plan), enrollment, tasks)

    assert (revision.changes, revision.created, enrollment.tasks_left) == ([], [], 5)
