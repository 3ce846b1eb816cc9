from datetime import UTC, datetime, timedelta, timezone

import pytest

from qs.application.plan.before import BeforeInFuture, BeforeInvalid, parse_before

SHANGHAI = "Asia/Shanghai"
NOW = datetime(2026, 7, 1, 11, 0, 0, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def read(value: str, zone: str = SHANGHAI, now: datetime = NOW) -> str:
    return parse_before(value, zone, now).isoformat()


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        ("2026-07-01T10:30:00Z", "2026-07-01T10:30:00+00:00"),
        ("2026-07-01t10:30:00z", "2026-07-01T10:30:00+00:00"),
        ("2026-07-01T18:30:00+08:00", "2026-07-01T10:30:00+00:00"),
        ("2026-07-01T05:00:00-05:30", "2026-07-01T10:30:00+00:00"),
        ("2026-07-01T10:30:00.5Z", "2026-07-01T10:30:00.500000+00:00"),
        ("2026-07-01T10:30:00.123456789Z", "2026-07-01T10:30:00.123456+00:00"),
        ("2026-07-01 18:30:00", "2026-07-01T10:30:00+00:00"),
        ("2026-07-01", "2026-06-30T16:00:00+00:00"),
    ],
)
def test_an_instant_or_a_wall_time_of_the_callers_zone_is_understood(value, instant):
    assert read(value) == instant
    assert parse_before(value, SHANGHAI, NOW).tzinfo is UTC


def test_a_date_alone_is_its_first_instant_where_the_caller_is():
    assert read("2026-07-01", "America/New_York") == "2026-07-01T04:00:00+00:00"
    assert read("2026-07-01", "UTC") == "2026-07-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("value", "zone", "instant"),
    [
        # Clocks go from 02:00 to 03:00, so the first instant after the gap is meant.
        ("2026-03-08 02:30:00", "America/New_York", "2026-03-08T07:00:00+00:00"),
        # 02:30 comes twice on that day; the first pass is meant.
        ("2025-10-26 02:30:00", "Europe/Berlin", "2025-10-26T00:30:00+00:00"),
        # The day begins at 01:00.
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00+00:00"),
    ],
)
def test_a_wall_time_in_a_gap_or_fold_is_read_as_plans_read_theirs(value, zone, instant):
    assert read(value, zone) == instant


def test_a_date_that_the_calendar_leaves_out_is_refused_by_name():
    with pytest.raises(BeforeInvalid, match="calendar of Pacific/Apia leaves out"):
        read("2011-12-30", "Pacific/Apia")


@pytest.mark.parametrize("ahead", [timedelta(0), MICROSECOND, timedelta(seconds=60)])
def test_up_to_a_minute_ahead_counts_as_now(ahead):
    assert parse_before((NOW + ahead).isoformat(), SHANGHAI, NOW) == NOW


@pytest.mark.parametrize(
    "value", ["2026-07-01T11:01:00.000001Z", "2026-07-01 19:01:01", "2026-07-02", "2199-01-01"]
)
def test_more_than_a_minute_ahead_is_refused(value):
    with pytest.raises(BeforeInFuture) as caught:
        read(value)

    assert (caught.value.code, caught.value.problems[0].pointer) == ("before.in_future", "/before")


def test_just_before_now_is_itself():
    before = NOW - MICROSECOND

    assert parse_before(before.astimezone(timezone(timedelta(hours=8))).isoformat(), SHANGHAI, NOW) == before


@pytest.mark.parametrize(
    "value",
    [
        "2026-07-01T18:30:00 08:00",
        "2026-07-01T18:30:00.250 08:00",
    ],
)
def test_a_plus_that_became_a_blank_is_answered_with_how_to_send_it(value):
    with pytest.raises(BeforeInvalid, match="encode the plus as %2B"):
        read(value)


@pytest.mark.parametrize(
    "value",
    [
        " ",
        "now",
        "tomorrow",
        "2026",
        "2026-07",
        "2026-7-1",
        "20260701",
        "20260701T103000Z",
        "2026-07-01T10:30Z",
        "2026-07-01T10:30:00",
        "2026-07-01T10:30:00+0800",
        "2026-07-01T10:30:00+08",
        "2026-07-01 10:30",
        "2026-07-01  10:30:00",
        "2026-07-01 18:30:00 08:00",
        "2026-07-01T10:30:00Z ",
        "2026-07-01T10:30:00Z\n",
        "2026-07-01\n",
        "2026-W27-3",
        "٢٠٢٦-٠٧-٠١",
        "1751366400",
        "+2026-07-01",
        "T" * 100_000,
        "0" * 100_000,
    ],
)
def test_anything_else_is_refused_with_the_forms_there_are(value):
    with pytest.raises(BeforeInvalid, match="YYYY-MM-DD") as caught:
        read(value)

    assert (caught.value.code, caught.value.problems[0].pointer) == ("before.invalid", "/before")


@pytest.mark.parametrize(
    "value",
    [
        "2026-02-30",
        "2026-13-01",
        "2026-00-01",
        "0000-01-01",
        "2026-07-01 24:00:00",
        "2026-07-01 10:60:00",
        "2026-02-29T10:30:00Z",
        "2026-06-30T23:59:60Z",
        "2026-07-01T10:30:00+24:00",
        "0001-01-01T00:00:00+01:00",
        "0001-01-01",
    ],
)
def test_a_date_or_time_that_does_not_exist_is_refused(value):
    with pytest.raises(BeforeInvalid, match="does not exist"):
        read(value)
