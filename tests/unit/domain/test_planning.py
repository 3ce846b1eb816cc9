from collections.abc import Iterable
from datetime import date, datetime, timedelta

import pytest

from qs.domain.plan.plan import AssessmentPlan
from qs.domain.plan.planning import PlannedOccasion, plan_occasions, unopenable, windows
from qs.domain.plan.schedule import Shift
from tests.support.builders import a_plan, at, planned

TICK = timedelta(microseconds=1)
BERLIN = "Europe/Berlin"


def occasions_of(
    plan: AssessmentPlan, start: str = "2026-07-01", shifts: Iterable[Shift] = ()
) -> tuple[PlannedOccasion, ...]:
    first_day = date.fromisoformat(start)
    return plan_occasions(plan.schedule, plan.terms, plan.timezone, first_day, tuple(shifts))


def occasion(seq: int, planned_at: datetime, closes_at: datetime | None = None) -> PlannedOccasion:
    return PlannedOccasion(seq, planned_at.date(), planned_at, planned_at, closes_at, None)


def test_every_occasion_has_its_windows_from_its_own_planned_instant():
    plan = a_plan(total_times=2, due_days=3, catch_up_days=10)

    first, second = occasions_of(plan)

    assert (first.planned_at, first.due_at, first.closes_at) == (
        at("2026-07-01"),
        at("2026-07-04"),
        at("2026-07-11"),
    )
    assert (second.planned_at, second.due_at, second.closes_at) == (
        at("2026-07-08"),
        at("2026-07-11"),
        at("2026-07-18"),
    )


def test_a_plan_without_a_window_never_closes():
    assert {o.closes_at for o in occasions_of(a_plan(catch_up_days=None))} == {None}


@pytest.mark.parametrize(
    ("planned_at", "days", "due_at"),
    [
        # Clocks go forward on 2026-03-29 and back on 2026-10-25.
        ("2026-03-28 09:00", 7, "2026-04-04 09:00"),
        ("2026-10-24 09:00", 7, "2026-10-31 09:00"),
        ("2026-03-22 02:30", 7, "2026-03-29 03:00"),
    ],
)
def test_days_of_a_window_are_days_on_the_calendar_of_the_zone(planned_at, days, due_at):
    plan = a_plan(due_days=days, catch_up_days=days)

    due, closes = windows(at(planned_at, BERLIN), plan.terms, BERLIN)

    assert due == closes == at(due_at, BERLIN)


def test_a_wall_time_that_comes_twice_closes_at_its_first_pass():
    plan = a_plan(due_days=1, catch_up_days=1)

    due, _ = windows(at("2026-10-24 02:30", BERLIN), plan.terms, BERLIN)

    assert due.isoformat() == "2026-10-25T00:30:00+00:00"


def test_shifts_are_added_after_a_month_was_clamped():
    plan = a_plan(schedule_type="by_month", interval=1, total_times=4)

    shifted = occasions_of(plan, "2026-01-31", [Shift(2, 10), Shift(4, 1)])

    assert planned(shifted) == [
        "2026-01-31 19:00",
        "2026-03-10 19:00",
        "2026-04-10 19:00",
        "2026-05-11 19:00",
    ]


def test_what_was_flagged_by_the_calendar_stays_flagged():
    plan = a_plan(timezone=BERLIN, trigger_time="02:30", total_times=2)

    assert [o.flag for o in occasions_of(plan, "2026-03-22")] == [None, "gap"]


@pytest.mark.parametrize(("now", "late"), [(at("2026-07-08") - TICK, set()), (at("2026-07-08"), {1})])
def test_an_occasion_can_no_longer_be_opened_from_the_instant_its_window_ends(now, late):
    assert unopenable(occasions_of(a_plan(catch_up_days=7)), a_plan().terms, now) == late


LATEST = a_plan(catch_up="latest", catch_up_days=None).terms


@pytest.mark.parametrize(
    ("now", "late"),
    [(at("2026-07-08") - TICK, set()), (at("2026-07-08"), {1}), (at("2026-07-16"), {1, 2})],
)
def test_a_newer_occasion_supersedes_older_ones_from_the_instant_it_is_due(now, late):
    weekly = [occasion(seq, at("2026-07-01") + timedelta(weeks=seq - 1)) for seq in (1, 2, 3)]

    assert unopenable(weekly, LATEST, now) == late


def test_of_two_occasions_at_one_instant_the_higher_seq_is_newer():
    now = at("2026-07-01")

    assert unopenable([occasion(2, now), occasion(1, now)], LATEST, now) == {1}


def test_a_closed_occasion_supersedes_nothing():
    older = occasion(1, at("2026-07-01"))
    closed = occasion(2, at("2026-07-02"), at("2026-07-03"))

    assert unopenable([older, closed], LATEST, at("2026-07-04")) == {2}


def test_a_task_that_was_asked_already_supersedes_what_was_planned_before_it():
    now = at("2026-07-10")
    pending = [occasion(1, at("2026-07-01")), occasion(3, at("2026-07-09"))]

    assert unopenable(pending, LATEST, now, staying=[(at("2026-07-05"), 2)]) == {1}
    assert unopenable(pending, LATEST, now, staying=[(at("2026-07-09 20:00"), 4)]) == {1, 3}
    assert unopenable(pending, LATEST, now, staying=[(at("2026-07-11"), 4)]) == {1}


def test_where_all_occasions_count_none_supersedes_another():
    plan = a_plan(catch_up="all", catch_up_days=None)

    assert unopenable(occasions_of(plan), plan.terms, at("2030-01-01")) == set()
