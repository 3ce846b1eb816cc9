import itertools
from datetime import date, timedelta

import pytest

from qs.domain.kernel.zones import zone
from qs.domain.plan.schedule import Schedule
from qs.interface.cli.demo.trial import ANSWERED, load


@pytest.mark.parametrize(
    "today", [date(2026, 11, 20), date(2027, 3, 3), date(2028, 2, 29), date(2031, 10, 26)]
)
def test_the_trial_starts_on_the_first_date_that_suits_all_occasions(today: date) -> None:
    trial = load(today)

    schedule = Schedule.of(schedule_type="custom", relative_months=[0, 2, 3, 5, 8], trigger_time="09:00")
    instants = [o.planned_at for o in schedule.occasions(trial.start_date, "Europe/London").occasions]
    offsets = [instant.astimezone(zone("Europe/London")).utcoffset() for instant in instants]
    assert today < trial.start_date < today + timedelta(days=400)
    assert all(day.weekday() < 5 for day in trial.occasions)
    assert {timedelta(0), timedelta(hours=1)} == set(offsets)
    assert sum(a != b for a, b in itertools.pairwise(offsets)) == 2


def test_the_trial_has_a_hundred_people_who_drop_out_and_never_return() -> None:
    rows = load(date(2026, 11, 20)).testees_csv.decode().splitlines()

    assert len(rows) == 101
    assert len({row.split(",")[0] for row in rows}) == 101
    assert list(ANSWERED) == sorted(ANSWERED, reverse=True)
    assert (sum(ANSWERED), sum(ANSWERED[1:])) == (380, 280)
