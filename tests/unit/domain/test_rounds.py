from datetime import date

import pytest

from qs.domain.kernel.errors import Refused
from qs.domain.plan.rounds import enrollment_meant
from tests.support.builders import a_plan, at, joined

NOW = at("2026-07-02")
WEEKLY = a_plan()
FIXED = a_plan(schedule_type="fixed_date", fixed_dates=["2026-07-10", "2026-08-10"])


def a_round(number: int, start: str, status: str = "closed", plan=WEEKLY):
    enrollment, _ = joined(plan, start, now=at("2026-01-01"), round_=number)
    if status == "closed":
        enrollment.settle(enrollment.tasks_left, NOW)
    elif status == "terminated":
        enrollment.terminate("withdrawn", NOW)
    elif status == "paused":
        enrollment.pause(plan, NOW)
    return enrollment


def meant(rounds, start: str, *, new_round: bool = False, plan=WEEKLY):
    """The round that the call repeats; None where it opens the next."""
    found = enrollment_meant(plan.schedule, rounds, date.fromisoformat(start), new_round=new_round)
    return found and found.round


def test_who_was_never_enrolled_opens_the_first_round():
    assert meant([], "2026-07-01") is None
    assert meant([], "2026-07-01", new_round=True) is None


@pytest.mark.parametrize("status", ["active", "paused"])
@pytest.mark.parametrize("new_round", [False, True])
def test_the_live_enrollment_answers_for_its_own_start_date(status, new_round):
    rounds = [a_round(1, "2026-05-01"), a_round(2, "2026-07-01", status)]

    assert meant(rounds, "2026-07-01", new_round=new_round) == 2


@pytest.mark.parametrize("status", ["active", "paused"])
@pytest.mark.parametrize("start", ["2026-07-02", "2026-05-01"])
def test_another_date_than_that_of_the_live_one_is_refused(status, start):
    rounds = [a_round(1, "2026-05-01"), a_round(2, "2026-07-01", status)]

    with pytest.raises(Refused, match="2026-07-01") as caught:
        meant(rounds, start)

    assert caught.value.code == "enrollment.start_date_differs"


@pytest.mark.parametrize("status", ["closed", "terminated"])
def test_without_a_live_one_the_newest_round_of_that_date_answers(status):
    rounds = [a_round(1, "2026-05-01"), a_round(2, "2026-07-01"), a_round(3, "2026-07-01", status)]

    assert meant(rounds, "2026-07-01") == 3
    assert meant(rounds, "2026-05-01") == 1


def test_another_date_or_asking_for_it_opens_the_next_round():
    rounds = [a_round(1, "2026-07-01")]

    assert meant(rounds, "2026-07-02") is None
    assert meant(rounds, "2026-07-01", new_round=True) is None


def test_where_dates_are_named_the_start_date_tells_nothing_apart():
    live = [a_round(1, "2026-07-01", "active", FIXED)]
    over = [a_round(1, "2026-07-01", plan=FIXED), a_round(2, "2026-07-05", plan=FIXED)]

    assert meant(live, "2026-09-09", plan=FIXED) == 1
    assert meant(over, "2026-09-09", plan=FIXED) == 2
    assert meant(over, "2026-07-01", plan=FIXED) == 2
    assert meant(over, "2026-09-09", new_round=True, plan=FIXED) is None
