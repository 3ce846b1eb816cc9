"""Slots over a century, in zones of every temper: what ``latest`` says against what ``next_after`` says."""

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qs.domain.kernel.zones import civil_date, resolve_wall_time, zone
from qs.domain.scheduler.triggers import preview
from qs.domain.scheduler.triggers.bits import bits, first_from, last_to, listed
from qs.domain.scheduler.triggers.times import FieldTimes
from tests.unit.domain.triggers.making import cron, slots, trigger
from tests.unit.domain.triggers.simulation import ZONES

# Finding the changes of a zone on first use takes longer than drawing an example normally may.
thorough = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

FIELDS = st.sampled_from(["*", "*/7", "0", "3", "5,20", "2-11", "1-23/5", "0-23", "H", "22-2"])
DAYS = st.sampled_from(["*", "*", "*/2", "1", "29", "31", "30-2", "L", "L-3", "LW", "15W", "1W,31W", "?"])
MONTHS = st.sampled_from(["*", "*", "2", "1,7", "NOV-FEB"])
WEEKDAYS = st.sampled_from(["*", "*", "1-5", "FRI-SUN", "1#5", "5L", "*/3", "?"])


@st.composite
def expressions(draw: st.DrawFn) -> str:
    seconds = draw(st.sampled_from(["", "", "*/20 ", "7 "]))
    # The 29th of February on a third Monday never is; what never fires is not asked for here.
    month = draw(MONTHS)
    day = draw(DAYS.filter(lambda day: month != "2" or day not in ("31", "29")))
    weekday = draw(WEEKDAYS.filter(lambda weekday: weekday != "1#5" or day in ("*", "?")))
    return f"{seconds}{draw(FIELDS)} {draw(FIELDS)} {day} {month} {weekday}"


instants = st.datetimes(datetime(1975, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@thorough
@given(expressions(), st.sampled_from(ZONES), instants)
def test_the_latest_slot_is_the_one_before_the_next(expression: str, zone_name: str, instant: datetime):
    job = cron(expression, zone_name)

    latest, following = job.latest(instant), job.next_after(instant)

    assert latest is not None
    assert following is not None
    assert latest <= instant < following
    assert job.next_after(latest - timedelta.resolution) == latest
    assert job.next_after(latest) == following
    assert job.latest(following) == following
    assert job.latest(following - timedelta.resolution) == latest


@thorough
@given(st.times(), st.sampled_from(ZONES), instants)
def test_a_daily_job_runs_when_its_wall_time_is_resolved_and_never_else(
    clock, zone_name: str, instant: datetime
):
    clock = clock.replace(microsecond=0, fold=0)
    tz = zone(zone_name)
    first = civil_date(instant, tz) - timedelta(days=2)
    resolved = [resolve_wall_time(first + timedelta(days=n), clock, tz) for n in range(8)]

    found = slots(trigger("daily", clock.isoformat(), zone_name), instant, 3)

    assert found == [each.instant for each in resolved if each is not None and each.instant > instant][:3]


@thorough
@given(expressions(), st.sampled_from(ZONES), instants)
def test_what_is_not_marked_runs_when_the_clocks_show_it(expression: str, zone_name: str, instant: datetime):
    second, minute, hour, *_ = [*([] if len(expression.split()) == 6 else ["0"]), *expression.split()]
    times = cron(f"{second} {minute} {hour} * * *")

    for occurrence in preview(cron(expression, zone_name), instant, 3):
        on_the_clock = occurrence.local.replace(tzinfo=UTC)
        assert (times.latest(on_the_clock) == on_the_clock) == (occurrence.dst != "shifted")
        assert occurrence.local.fold == 0 or occurrence.dst is None


@given(st.sets(st.integers(0, 59)), st.integers(0, 59))
def test_bits_are_a_set_of_numbers(members: set[int], value: int):
    found = bits(members)

    assert listed(found) == sorted(members)
    assert first_from(found, value) == min((member for member in members if member >= value), default=-1)
    assert last_to(found, value) == max((member for member in members if member <= value), default=-1)


@given(
    st.sets(st.integers(0, 23), min_size=1, max_size=4),
    st.sets(st.integers(0, 59), min_size=1, max_size=4),
    st.sets(st.integers(0, 59), min_size=1, max_size=4),
    st.integers(0, 86_399),
)
def test_times_of_fields_are_all_their_combinations(
    hours: set[int], minutes: set[int], seconds: set[int], second: int
):
    times = FieldTimes(bits(hours), bits(minutes), bits(seconds))
    every = times.listed()

    assert every == sorted(h * 3600 + m * 60 + s for h in hours for m in minutes for s in seconds)
    assert times.first_from(second) == min((each for each in every if each >= second), default=-1)
    assert times.last_to(second) == max((each for each in every if each <= second), default=-1)
    assert (times.first, times.last) == (every[0], every[-1])
