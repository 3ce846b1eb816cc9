from datetime import UTC, date, datetime, time, timedelta

import pytest

from qs.domain.kernel.zones import UnknownZone, zone
from qs.domain.scheduler.duty import DailyAt, Duty, Every, HourlyAt, Timing, standing_duties
from tests.support.builders import at as wall_time


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


MINUTE = Every(timedelta(minutes=1))


@pytest.mark.parametrize(
    ("period", "now", "latest", "upcoming"),
    [
        (60, "2026-07-01T10:00:00Z", "2026-07-01T10:00:00Z", "2026-07-01T10:01:00Z"),
        (60, "2026-07-01T10:00:59.999999Z", "2026-07-01T10:00:00Z", "2026-07-01T10:01:00Z"),
        (5, "2026-07-01T10:00:07Z", "2026-07-01T10:00:05Z", "2026-07-01T10:00:10Z"),
        (3600, "2026-07-01T10:20:00+05:30", "2026-07-01T04:00:00Z", "2026-07-01T05:00:00Z"),
        (7, "1970-01-01T00:00:20Z", "1970-01-01T00:00:14Z", "1970-01-01T00:00:21Z"),
        (1.5, "1970-01-01T00:00:04Z", "1970-01-01T00:00:03Z", "1970-01-01T00:00:04.5Z"),
        (60, "1969-12-31T23:59:30Z", "1969-12-31T23:59:00Z", "1970-01-01T00:00:00Z"),
    ],
)
def test_a_period_is_a_grid_from_the_epoch(period: float, now: str, latest: str, upcoming: str):
    timing = Every(timedelta(seconds=period))

    assert timing.latest_slot(at(now)) == at(latest)
    assert timing.next_slot(at(now)) == at(upcoming)


def test_a_period_under_a_second_is_refused():
    with pytest.raises(ValueError, match="never rest"):
        Every(timedelta(milliseconds=999))


@pytest.mark.parametrize(
    ("timezone", "wall", "now", "latest", "upcoming"),
    [
        (
            "Asia/Shanghai",
            "00:30",
            "2026-07-01T00:29:59+08:00",
            "2026-06-30T00:30+08:00",
            "2026-07-01T00:30+08:00",
        ),
        (
            "Asia/Shanghai",
            "00:30",
            "2026-07-01T00:30:00+08:00",
            "2026-07-01T00:30+08:00",
            "2026-07-02T00:30+08:00",
        ),
        # Gap: 02:30 does not exist on the day the clocks go forward.
        (
            "America/New_York",
            "02:30",
            "2026-03-08T03:00:00-04:00",
            "2026-03-08T03:00-04:00",
            "2026-03-09T02:30-04:00",
        ),
        (
            "America/New_York",
            "02:30",
            "2026-03-08T01:59:59-05:00",
            "2026-03-07T02:30-05:00",
            "2026-03-08T03:00-04:00",
        ),
        # Fold: 01:30 comes twice, the second one is no slot.
        (
            "America/New_York",
            "01:30",
            "2026-11-01T01:30:00-05:00",
            "2026-11-01T01:30-04:00",
            "2026-11-02T01:30-05:00",
        ),
        # Midnight itself is skipped.
        (
            "America/Santiago",
            "00:00",
            "2025-09-07T02:00:00-03:00",
            "2025-09-07T01:00-03:00",
            "2025-09-08T00:00-03:00",
        ),
        # At midnight the clocks go back to the day before, after the new day's first slot has passed.
        (
            "America/Santiago",
            "23:30",
            "2026-04-04T23:45:00-04:00",
            "2026-04-04T23:30-03:00",
            "2026-04-05T23:30-04:00",
        ),
        # 2011-12-30 does not exist there.
        (
            "Pacific/Apia",
            "12:00",
            "2011-12-31T01:00:00+14:00",
            "2011-12-29T12:00-10:00",
            "2011-12-31T12:00+14:00",
        ),
        # Half an hour of difference between summer and winter.
        (
            "Australia/Lord_Howe",
            "02:15",
            "2026-10-04T02:40:00+11:00",
            "2026-10-04T02:30+11:00",
            "2026-10-05T02:15+11:00",
        ),
    ],
)
def test_a_daily_duty_follows_the_wall_clock(timezone: str, wall: str, now: str, latest: str, upcoming: str):
    timing = DailyAt(time.fromisoformat(wall), timezone)

    assert timing.latest_slot(at(now)) == at(latest)
    assert timing.next_slot(at(now)) == at(upcoming)


@pytest.mark.parametrize(
    "timezone", ["Europe/London", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]
)
def test_a_daily_duty_has_one_slot_on_each_civil_date(timezone: str):
    timing = DailyAt(time(1, 30), timezone)
    slots = [timing.next_slot(at("2025-12-31T12:00:00Z"))]
    while len(slots) < 365:
        slots.append(timing.next_slot(slots[-1]))

    dates = [slot.astimezone(zone(timezone)).date() for slot in slots]

    assert dates == [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]


@pytest.mark.parametrize(
    "timing", [MINUTE, DailyAt(time(2, 30), "Europe/Berlin"), DailyAt(time(0), "Africa/Cairo")]
)
def test_the_latest_slot_never_moves_back_and_agrees_with_the_next_one(timing: Timing):
    now, last = at("2026-03-27T00:00:00Z"), timing.latest_slot(at("2026-03-26T00:00:00Z"))
    while now < at("2026-11-01T00:00:00Z"):
        latest, upcoming = timing.latest_slot(now), timing.next_slot(now)
        assert last <= latest <= now < upcoming
        assert timing.latest_slot(upcoming) == upcoming
        last = latest
        now += timedelta(hours=7, minutes=13)


def test_a_daily_duty_needs_a_zone_that_exists():
    with pytest.raises(UnknownZone):
        DailyAt(time(3, 30), "Mars/Olympus")


@pytest.mark.parametrize(
    ("timing", "words"),
    [
        (MINUTE, ("duration", "1m", None)),
        (Every(timedelta(hours=2)), ("duration", "2h", None)),
        (Every(timedelta(seconds=90)), ("duration", "90s", None)),
        (Every(timedelta(seconds=1.5)), ("duration", "1.5s", None)),
        (DailyAt(time(3, 30), "UTC"), ("daily", "03:30", "UTC")),
        (DailyAt(time(3, 30, 5), "UTC"), ("daily", "03:30:05", "UTC")),
        (HourlyAt(5, "UTC"), ("cron", "5 * * * *", "UTC")),
    ],
)
def test_a_timing_can_be_written_down(timing: Timing, words: tuple[str, str, str | None]):
    assert (timing.kind, timing.schedule, timing.timezone) == words


def test_the_standing_duties_are_those_of_tasks_statistics_and_retention():
    duties = standing_duties(timedelta(minutes=1), "Asia/Shanghai")

    assert [(duty.name, duty.timing.schedule, duty.timing.timezone) for duty in duties] == [
        ("sweep", "1m", None),
        ("expiry", "00:30", "Asia/Shanghai"),
        ("sync-daily", "0 * * * *", "Asia/Shanghai"),
        ("sync-accumulated", "5 * * * *", "Asia/Shanghai"),
        ("sync-plan", "10 * * * *", "Asia/Shanghai"),
        ("validate", "15 * * * *", "Asia/Shanghai"),
        ("retention", "03:30", "Asia/Shanghai"),
    ]


def test_a_duty_keeps_its_id_and_shares_it_with_no_other():
    assert Duty("sweep", MINUTE).id == Duty("sweep", DailyAt(time(1), "UTC")).id
    assert len({duty.id for duty in standing_duties(timedelta(minutes=1), "UTC")}) == 7


@pytest.mark.parametrize(
    ("zone", "now", "latest", "following"),
    [
        ("Asia/Shanghai", "2026-07-01 10:04:59", "2026-07-01 09:05", "2026-07-01 10:05"),
        ("Asia/Shanghai", "2026-07-01 10:05:00", "2026-07-01 10:05", "2026-07-01 11:05"),
        ("Asia/Kathmandu", "2026-07-01 10:10:00", "2026-07-01 10:05", "2026-07-01 11:05"),
        ("Europe/Berlin", "2026-03-29 03:30:00", "2026-03-29 03:05", "2026-03-29 04:05"),
        ("Europe/Berlin", "2026-10-25 01:30:00", "2026-10-25 01:05", "2026-10-25 02:05"),
    ],
)
def test_an_hourly_duty_follows_the_minutes_of_its_zone(zone: str, now: str, latest: str, following: str):
    timing = HourlyAt(5, zone)

    assert timing.latest_slot(wall_time(now, zone)) == wall_time(latest, zone)
    assert timing.next_slot(wall_time(now, zone)) == wall_time(following, zone)


def test_an_hour_has_sixty_minutes():
    with pytest.raises(ValueError, match="no minute 60"):
        HourlyAt(60, "UTC")
