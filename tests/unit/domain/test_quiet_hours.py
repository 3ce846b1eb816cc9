"""Nobody hears from us at night, by their own clock, whatever that clock does."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qs.domain.kernel.zones import zone
from qs.domain.notification.quiet_hours import QuietHours

# Shifts by an hour, by half an hour, at midnight, no shifts, a whole date left out, and far from UTC.
ZONES = [
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Asia/Beirut",
    "Pacific/Apia",
    "Pacific/Chatham",
    "UTC",
]
NIGHT = QuietHours.parse("21:00-08:00")
DAYS = timedelta(days=1)

instants = st.datetimes(datetime(2005, 1, 1), datetime(2035, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
# Around what clocks do in autumn and spring, more often than chance would have it.
shifts = st.builds(
    lambda day, minutes: day + timedelta(minutes=minutes),
    st.sampled_from(
        [
            datetime(2026, 3, 29, tzinfo=UTC),
            datetime(2026, 10, 25, tzinfo=UTC),
            datetime(2026, 11, 1, 5, tzinfo=UTC),
            datetime(2026, 4, 4, 15, tzinfo=UTC),
            datetime(2011, 12, 30, 10, tzinfo=UTC),
            datetime(2018, 11, 4, 3, tzinfo=UTC),
        ]
    ),
    st.integers(-1440, 1440),
)
clock_times = st.builds(time, st.integers(0, 23), st.integers(0, 59))
hours = (
    st.tuples(clock_times, clock_times)
    .filter(lambda pair: pair[0] != pair[1])
    .map(lambda pair: QuietHours(*pair))
)
zones = st.sampled_from(ZONES)


def shown(instant: datetime, zone_name: str) -> time:
    return instant.astimezone(zone(zone_name)).time()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def is_quiet(quiet: QuietHours, instant: datetime, zone_name: str) -> bool:
    """Told another way than by the code: minute by minute around the clock from its beginning to its end."""
    minute = shown(instant, zone_name).replace(second=0, microsecond=0)
    return (minute.hour * 60 + minute.minute - quiet.begin.hour * 60 - quiet.begin.minute) % 1440 < (
        quiet.end.hour * 60 + quiet.end.minute - quiet.begin.hour * 60 - quiet.begin.minute
    ) % 1440


@given(hours, instants | shifts, zones)
@example(QuietHours.parse("02:10-02:50"), at("2026-03-29T01:05"), "Europe/Berlin")
@example(QuietHours.parse("21:00-02:30"), at("2026-10-25T00:59"), "Europe/Berlin")
@example(QuietHours.parse("02:50-02:10"), at("2026-03-29T00:30"), "Europe/Berlin")
@example(NIGHT, at("2011-12-30T09:59"), "Pacific/Apia")
def test_what_is_held_goes_out_when_it_is_not_quiet_and_within_two_days(quiet, now, zone_name):
    until = quiet.held_until(now, zone_name, None)

    assert (until is None) == (not is_quiet(quiet, now, zone_name))
    if until is not None:
        assert now < until <= now + 2 * DAYS
        assert not is_quiet(quiet, until, zone_name)


@given(hours, instants, st.integers(1, 5000))
def test_where_clocks_never_shift_it_is_held_to_the_minute_that_quiet_ends(quiet, now, minutes):
    until = quiet.held_until(now, "Asia/Shanghai", now + timedelta(minutes=minutes))

    if until is not None:
        assert shown(until, "Asia/Shanghai") == quiet.end
        step = now
        while step < until:
            assert quiet.covers(step, "Asia/Shanghai")
            step += timedelta(minutes=30)


@given(hours, instants | shifts, zones, st.integers(1, 4000))
def test_no_message_is_held_until_its_link_is_dead(quiet, now, zone_name, minutes):
    dies_at = now + timedelta(minutes=minutes)

    until = quiet.held_until(now, zone_name, dies_at)

    assert until is None or until < dies_at


@given(hours, instants | shifts, zones, st.integers(0, 5000), st.integers(1, 20000))
def test_a_reminder_is_planned_between_the_opening_and_the_end_of_the_link(quiet, opened, zone_name, a, b):
    wanted = opened + timedelta(minutes=min(a, b - 1))
    dies_at = opened + timedelta(minutes=b)

    planned = quiet.planned(wanted, zone_name, earliest=opened, dies_at=dies_at)

    assert opened <= planned < dies_at
    if is_quiet(quiet, planned, zone_name):
        # Only where there was no other way: it began before the opening, or ends after the link.
        assert is_quiet(quiet, wanted, zone_name)
        assert quiet.held_until(wanted, zone_name, dies_at) is None


@pytest.mark.parametrize(
    ("wanted", "dies", "planned"),
    [
        ("2026-03-09T10:00", "2026-03-12T10:00", "2026-03-09T10:00"),
        ("2026-03-09T22:00", "2026-03-12T10:00", "2026-03-10T07:00"),
        ("2026-03-09T22:00", "2026-03-10T06:00", "2026-03-09T19:50"),
        ("2026-03-09T22:00", "2026-03-10T07:00", "2026-03-09T19:50"),
    ],
    ids=["in the day", "at night", "the link dies at night", "the link dies as the night ends"],
)
def test_a_reminder_that_falls_at_night_comes_after_it_or_before_it(wanted, dies, planned):
    found = NIGHT.planned(at(wanted), "Europe/Berlin", earliest=at("2026-03-09T00:00"), dies_at=at(dies))

    assert found == at(planned)


def test_what_was_opened_at_night_and_dies_in_it_is_told_at_once():
    opened = at("2026-03-09T21:30")

    assert (
        NIGHT.planned(
            at("2026-03-09T23:00"), "Europe/Berlin", earliest=opened, dies_at=at("2026-03-10T05:00")
        )
        == opened
    )


@pytest.mark.parametrize(
    "text", ["", "21:00", "21:00-", "21-08", "24:00-08:00", "21:60-08:00", "08:00-08:00", "21:00–08:00"]
)
def test_what_are_no_hours_is_refused(text):
    with pytest.raises(ValueError, match="quiet hours"):
        QuietHours.parse(text)
