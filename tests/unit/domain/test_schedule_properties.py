"""Civil time against an oracle that only reads clocks: it walks minute by minute and never turns a wall time back."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qs.domain.kernel.zones import add_civil_days, civil_date, resolve_wall_time, zone, zone_names
from qs.domain.plan import schedule as schedule_module
from qs.domain.plan.schedule import Schedule, Shift

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2041, 1, 1, tzinfo=UTC)

# Finding the changes of a zone on first use takes longer than drawing an example normally may.
thorough = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def shown(instant: datetime, tz: ZoneInfo) -> datetime:
    """What the zone's clocks show, without the zone."""
    return instant.astimezone(tz).replace(tzinfo=None)


@dataclass(frozen=True)
class Change:
    """The first minute at which clocks no longer run on from what they showed the minute before."""

    at: datetime
    before: datetime
    after: datetime


@cache
def changes(zone_name: str) -> tuple[Change, ...]:
    tz = zone(zone_name)
    found = []
    day, offset = FIRST, FIRST.astimezone(tz).utcoffset()
    while day < LAST:
        day += DAY
        if day.astimezone(tz).utcoffset() != offset:
            low, high = day - DAY, day
            while high - low > MINUTE:
                middle = low + (high - low) // (2 * MINUTE) * MINUTE
                same = middle.astimezone(tz).utcoffset() == offset
                low, high = (middle, high) if same else (low, middle)
            found.append(Change(high, shown(low, tz) + MINUTE, shown(high, tz)))
            offset = day.astimezone(tz).utcoffset()
    return tuple(found)


@dataclass(frozen=True)
class Oracle:
    """The first minute showing the wall time or, if none does, a later one; and what else was seen that day."""

    instant: datetime
    flag: str | None
    date_exists: bool


def oracle(wall: datetime, tz: ZoneInfo) -> Oracle:
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
    start = midnight - timedelta(hours=15)
    faces = [shown(start + n * MINUTE, tz) for n in range(52 * 60)]
    first = next(n for n, face in enumerate(faces) if face >= wall)
    passes = faces.count(wall)
    return Oracle(
        instant=start + first * MINUTE,
        flag={0: "gap", 1: None, 2: "fold"}[passes],
        date_exists=any(face.date() == wall.date() for face in faces),
    )


names = st.sampled_from(sorted(zone_names()))
whole_minutes = st.integers(0, 24 * 60 - 1).map(lambda n: time(n // 60, n % 60))


@st.composite
def zones_and_walls(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone and a wall time, mostly within hours of a change of its clocks."""
    name = draw(names)
    near_a_change = draw(st.integers(0, 4)) > 0
    if near_a_change and changes(name):
        change = draw(st.sampled_from(changes(name)))
        edge = draw(st.sampled_from([change.before, change.after]))
        return name, edge + draw(st.integers(-150, 150)) * MINUTE
    day = draw(st.dates(date(2000, 1, 2), date(2040, 12, 30)))
    return name, datetime.combine(day, draw(whole_minutes))


@st.composite
def planned_schedules(draw: st.DrawFn) -> tuple[Schedule, date, str, list[Shift]]:
    """A schedule that mostly has an occasion on the day and near the time of a change of clocks."""
    name, wall = draw(zones_and_walls())
    interval, total_times = draw(st.integers(1, 30)), draw(st.integers(1, 12))
    lead = draw(st.integers(0, total_times - 1)) * interval * DAY
    repeating = {"interval": interval, "total_times": total_times}
    offsets = {"relative_days": [n * interval for n in range(total_times)]}
    kinds: dict[str, dict[str, Any]] = {"by_day": repeating, "by_month": repeating, "custom": offsets}
    kind = draw(st.sampled_from(sorted(kinds)))
    rule = Schedule.of(schedule_type=kind, trigger_time=wall.time(), **kinds[kind])
    start = max((wall - lead).date(), date(2000, 1, 1))
    shifts = draw(st.lists(st.builds(Shift, st.integers(1, 12), st.integers(0, 40)), max_size=3))
    return rule, start, name, shifts


@settings(thorough, max_examples=400)
@given(zones_and_walls())
def test_a_wall_time_is_the_first_minute_a_clock_shows_it_or_more(case):
    name, wall = case

    resolved = resolve_wall_time(wall.date(), wall.time(), zone(name))

    expected = oracle(wall, zone(name))
    if resolved is None:
        assert not expected.date_exists
    else:
        assert expected.date_exists
        assert (resolved.instant, resolved.flag) == (expected.instant, expected.flag)
        assert resolved.instant.tzinfo is UTC


@thorough
@given(zones_and_walls(), st.integers(-400, 400), st.integers(0, 59_999_999), st.booleans())
def test_civil_days_agree_with_walking_to_the_same_wall_time(case, days, microseconds, lands_near_change):
    name, wall = case
    tz = zone(name)
    source = wall - days * DAY if lands_near_change else wall
    instant = oracle(source, tz).instant + timedelta(microseconds=microseconds)

    later = add_civil_days(instant, days, tz)

    target = shown(instant, tz) + days * DAY
    minute = target.replace(second=0, microsecond=0)
    expected = oracle(minute, tz)
    rest = target - minute if expected.flag != "gap" else timedelta(0)
    assert later == expected.instant + rest
    assert later.tzinfo is UTC


@thorough
@given(planned_schedules())
def test_occasions_rise_and_show_the_trigger_time_unless_it_was_skipped(case):
    rule, start, name, shifts = case
    tz = zone(name)

    planned = rule.occasions(start, name, shifts)

    found = planned.occasions
    assert [occasion.seq for occasion in found] == list(range(1, len(found) + 1))
    assert all(one.planned_at < two.planned_at for one, two in pairwise(found))
    assert len(found) + len(planned.skipped) == rule.total_times
    for occasion in found:
        clock = occasion.planned_at.astimezone(tz)
        wall = datetime.combine(occasion.date, rule.trigger_time)
        assert clock.fold == 0
        if occasion.flag == "gap":
            assert clock.replace(tzinfo=None) > wall
            assert shown(occasion.planned_at - MINUTE, tz) < wall
        else:
            assert clock.replace(tzinfo=None) == wall
            assert civil_date(occasion.planned_at, tz) == occasion.date
    for lost in planned.skipped:
        assert not oracle(datetime.combine(lost, rule.trigger_time), tz).date_exists


@thorough
@given(planned_schedules())
def test_occasions_generated_again_are_the_same(case):
    rule, start, name, shifts = case
    once = rule.occasions(start, name, shifts)

    anchor = None if rule.fixed_dates else start
    again = schedule_module._occasions.__wrapped__(rule, anchor, name, tuple(shifts))  # type: ignore[attr-defined]

    assert again is not once
    assert again == once


@thorough
@given(planned_schedules(), st.integers(0, 11))
def test_every_date_is_counted_from_the_start_and_not_from_the_one_before(case, i):
    rule, start, _, _ = case
    i = min(i, rule.total_times - 1)
    day = rule.date_of(start, i)

    if rule.schedule_type == "by_month":
        months = (day.year - start.year) * 12 + day.month - start.month
        assert months == i * rule.interval
        assert day.day == start.day or (day.day < start.day and (day + DAY).day == 1)
    else:
        assert (day - start).days == i * (rule.interval or (rule.relative_days[1:] or (0,))[0])


def test_no_clock_skips_a_day_or_more_unless_it_is_exactly_one_civil_date():
    # Two dates of one schedule could otherwise fall on the same instant.
    whole_dates = set()
    for name in zone_names():
        for change in changes(name):
            if change.after - change.before >= DAY:
                assert change.after - change.before == DAY
                assert change.before.time() == time(0)
                whole_dates.add((name, change.before.date()))

    assert {("Pacific/Apia", date(2011, 12, 30)), ("Pacific/Fakaofo", date(2011, 12, 30))} == whole_dates
