"""What is counted, on which date, and what it comes to."""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest

from qs.domain.statistics.calendar import BEGINNING, Period, TenantCalendar
from qs.domain.statistics.facts import Fact
from qs.domain.statistics.followup import Observation, Occasion, latency, opening_lags, stay
from qs.domain.statistics.laws import broken_by_plan, broken_by_totals
from qs.domain.statistics.rates import Rate, rates
from tests.support.builders import at

SHANGHAI = TenantCalendar([Period(BEGINNING, "Asia/Shanghai")])


def fact(name: str, **fields: Any) -> Fact:
    given: dict[str, Any] = {
        "plan_id": str(uuid4()),
        "testee_id": str(uuid4()),
        "scale_code": "PHQ-9",
        "seq": 1,
    }
    return Fact(name, at("2026-07-01"), **(given | fields))


@pytest.mark.parametrize(
    ("told", "figures"),
    [
        (fact("EnrollmentJoined"), ("enrolled",)),
        (fact("TaskOpened"), ("opened",)),
        (
            fact("TaskCompleted", due_at=at("2026-07-02"), completed_at=at("2026-07-02")),
            ("completed", "on_time"),
        ),
        (fact("TaskCompleted", due_at=at("2026-07-02"), completed_at=at("2026-07-03")), ("completed",)),
        (fact("TaskCompleted", seq=2), ("completed", "followup_completed")),
        (fact("TaskExpired", reason="missed", seq=2), ("missed",)),
        (fact("TaskExpired", reason="manual"), ("expired", "expired:manual")),
        (
            fact("TaskExpired", reason="entry_timeout", seq=3),
            ("expired", "expired:entry_timeout", "followup_expired"),
        ),
        (fact("TaskCanceled", reason="plan_finished"), ("canceled", "canceled:plan_finished")),
        (
            fact("TaskCanceled", reason="paused", opened_at=at("2026-07-01")),
            ("canceled", "canceled:paused", "canceled_open"),
        ),
        (fact("PlanCreated"), ()),
    ],
)
def test_an_event_adds_to_the_figures_of_its_kind(told, figures):
    assert told.figures() == figures


def test_rates_have_their_numerator_and_denominator_and_none_on_nothing():
    found = rates({"completed": 3, "on_time": 2, "expired": 1, "expired:entry_timeout": 1, "missed": 1})

    assert found["completion"] == Rate(3, 4)
    assert found["on_time"] == Rate(2, 4)
    assert found["on_time_of_completed"] == Rate(2, 3)
    assert found["entry_timeout"] == Rate(1, 4)
    assert found["missed"] == Rate(1, 5)
    assert found["followup"] == Rate(0, 0)
    assert (found["completion"].rate, found["followup"].rate) == (0.75, None)


def test_an_instant_lies_on_the_date_of_the_tenants_zone():
    assert SHANGHAI.date_of(at("2026-07-01 00:00")) == date(2026, 7, 1)
    assert SHANGHAI.date_of(at("2026-06-30 23:59:59")) == date(2026, 6, 30)


def test_after_a_move_dates_are_those_of_the_new_zone_and_none_is_left_out():
    moved = at("2026-07-02 00:00")
    calendar = TenantCalendar([Period(BEGINNING, "Asia/Shanghai"), Period(moved, "America/New_York")])

    stretches = calendar.stretches_of([date(2026, 7, 1), date(2026, 7, 2)])

    assert calendar.date_of(moved - timedelta(seconds=1)) == date(2026, 7, 1)
    assert calendar.date_of(moved) == date(2026, 7, 1), "it is still that date in New York"
    assert [(stretch.start, stretch.day) for stretch in stretches] == [
        (at("2026-07-01 00:00"), date(2026, 7, 1)),
        (moved, date(2026, 7, 1)),
        (at("2026-07-02 00:00", "America/New_York"), date(2026, 7, 2)),
    ]


def test_laws_name_what_is_broken():
    plan = {
        "total": 6,
        "pending": 1,
        "currently_open": 1,
        "completed": 1,
        "expired": 1,
        "missed": 1,
        "canceled": 1,
        "enrolled": 2,
        "active": 1,
    }
    happened = {"opened": 4, "completed": 1, "expired": 1, "canceled_open": 1, "missed": 1}
    totals = {"completed": 1, "on_time": 1, "expired": 1, "expired:manual": 1}

    assert list(broken_by_plan(plan, happened)) == []
    assert list(broken_by_plan(plan | {"total": 7, "enrolled": 0}, happened | {"opened": 5})) == [
        "total = sum of states",
        "active <= enrolled",
        "opened = completed + expired + canceled_open + currently_open",
    ]
    assert list(broken_by_totals(totals)) == []
    assert list(broken_by_totals(totals | {"on_time": 2, "canceled_open": 1, "expired": 2})) == [
        "on_time <= completed",
        "canceled_open <= canceled",
        "expired = sum of its reasons",
    ]


def occasion(day: str, status: str, **fields: Any) -> Occasion:
    given: dict[str, Any] = {
        "opened_at": at(day),
        "expires_at": at(day) + timedelta(days=7),
        "ended_at": None,
    }
    return Occasion(at(day), "Asia/Shanghai", status, **(given | fields))


@pytest.mark.parametrize(
    ("statuses", "stayed"),
    [
        (["completed", "expired", "expired"], Observation(7.0, censored=False)),
        (["completed", "expired", "completed", "expired"], Observation(21.0, censored=False)),
        (["expired", "expired"], Observation(0.0, censored=False)),
        (["completed", "completed"], Observation(7.0, censored=True)),
        (["completed", "opened"], Observation(0.0, censored=True)),
        (["completed", "pending", "pending"], Observation(0.0, censored=True)),
        (["completed", "canceled", "expired"], Observation(14.0, censored=False)),
        (["canceled", "completed", "completed"], Observation(7.0, censored=True)),
        (["canceled", "canceled"], None),
        ([], None),
    ],
)
def test_people_stay_until_the_first_unanswered_occasion_after_their_last_answer(statuses, stayed):
    days = [at("2026-07-01") + timedelta(weeks=n) for n in range(len(statuses))]
    occasions = [
        Occasion(day, "Asia/Shanghai", status, None, None, None)
        for day, status in zip(days, statuses, strict=True)
    ]

    assert stay(occasions) == stayed


def test_the_lag_of_an_opening_is_the_seconds_since_it_was_planned():
    def opened(after: timedelta | None) -> Occasion:
        planned = at("2026-07-01 19:00")
        return Occasion(planned, "UTC", "opened", None if after is None else planned + after, None, None)

    lags = opening_lags([opened(timedelta(seconds=2.5)), opened(None), opened(timedelta(hours=-1))])

    # What staff opened before its time was not late.
    assert lags == [2.5, 0.0]


def test_latency_is_hours_to_the_answer_and_censored_without_one():
    now = at("2026-07-02 19:00")
    found = latency(
        [
            occasion("2026-07-01", "completed", ended_at=at("2026-07-01 22:00")),
            occasion("2026-07-01", "opened"),
            occasion("2026-06-01", "expired", ended_at=at("2026-07-01")),
            occasion("2026-07-01", "canceled", ended_at=at("2026-07-01 20:00")),
            occasion("2026-07-08", "pending", opened_at=None, expires_at=None),
        ],
        now,
    )

    assert found == [
        Observation(3.0, censored=False),
        Observation(24.0, censored=True),
        Observation(168.0, censored=True),
        Observation(1.0, censored=True),
    ]
