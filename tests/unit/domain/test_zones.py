import zoneinfo
from datetime import UTC, date, datetime, time, timedelta, timezone
from importlib.resources import files

import pytest

from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.kernel.zones import (
    Resolved,
    UnknownZone,
    add_civil_days,
    civil_date,
    resolve_wall_time,
    zone,
    zone_names,
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def resolved(zone_name: str, wall: str) -> Resolved | None:
    local = datetime.fromisoformat(wall)
    return resolve_wall_time(local.date(), local.time(), zone(zone_name))


def test_a_zone_is_the_same_object_at_every_call_and_knows_its_name():
    assert zone("Asia/Shanghai") is zone("Asia/Shanghai")
    assert zone("America/Argentina/Buenos_Aires").key == "America/Argentina/Buenos_Aires"


@pytest.fixture
def machine_where_berlin_is_tokyo(tmp_path):
    berlin = tmp_path / "Europe" / "Berlin"
    berlin.parent.mkdir()
    berlin.write_bytes(files("tzdata").joinpath("zoneinfo", "Asia", "Tokyo").read_bytes())
    zoneinfo.reset_tzpath([tmp_path])
    zoneinfo.ZoneInfo.clear_cache()
    zone.cache_clear()
    yield
    zoneinfo.reset_tzpath()
    zoneinfo.ZoneInfo.clear_cache()
    zone.cache_clear()


@pytest.mark.usefixtures("machine_where_berlin_is_tokyo")
def test_the_tz_data_of_the_machine_is_never_read():
    summer = datetime.fromisoformat("2026-07-01 12:00")

    assert zoneinfo.ZoneInfo("Europe/Berlin").utcoffset(summer) == timedelta(hours=9)
    assert zone("Europe/Berlin").utcoffset(summer) == timedelta(hours=2)


def test_every_listed_zone_opens():
    assert {"UTC", "Asia/Shanghai", "Etc/GMT+12", "America/Indiana/Knox"} < zone_names()
    assert all(zone(name).key == name for name in zone_names())


def test_any_other_text_is_an_unknown_zone_and_nothing_else():
    for name in (
        "",
        ".",
        "..",
        "/",
        "../etc/passwd",
        "/etc/passwd",
        "Asia",
        "Asia/",
        "Asia/../Asia/Shanghai",
        "Asia/Shanghai ",
        "asia/shanghai",
        "Asia\\Shanghai",
        "Asia/Shanghai\x00",
        "\x00",
        "\ud800",
        "中国",
        "__init__.py",
        "zone.tab",
        "x" * 10_000,
        "a/" * 5_000,
    ):
        with pytest.raises(UnknownZone):
            zone(name)


def test_an_unknown_zone_points_at_the_field_and_keeps_no_trace_of_the_name():
    remembered = zone.cache_info().currsize

    with pytest.raises(Invalid) as caught:
        zone("Mars/Olympus_Mons")

    assert caught.value.code == "zone.unknown"
    assert caught.value.problems == (
        Problem("/timezone", "must be an IANA time zone name such as Asia/Shanghai"),
    )
    assert UnknownZone("/rows/3/timezone").problems[0].pointer == "/rows/3/timezone"
    assert "Mars" not in str(caught.value)
    assert zone.cache_info().currsize == remembered


@pytest.mark.parametrize(
    ("zone_name", "wall", "instant", "flag"),
    [
        ("Asia/Shanghai", "2026-07-01 19:00", "2026-07-01 11:00", None),
        ("Asia/Kathmandu", "2026-07-01 19:00", "2026-07-01 13:15", None),
        ("America/New_York", "2026-03-08 02:30", "2026-03-08 07:00", "gap"),
        ("America/New_York", "2026-03-08 02:00", "2026-03-08 07:00", "gap"),
        ("America/New_York", "2026-03-08 02:59:59", "2026-03-08 07:00", "gap"),
        ("America/New_York", "2026-03-08 01:59:59", "2026-03-08 06:59:59", None),
        ("America/New_York", "2026-03-08 03:00", "2026-03-08 07:00", None),
        ("America/New_York", "2026-11-01 01:30", "2026-11-01 05:30", "fold"),
        ("America/New_York", "2026-11-01 01:00", "2026-11-01 05:00", "fold"),
        ("America/New_York", "2026-11-01 02:00", "2026-11-01 07:00", None),
        ("Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03 15:30", "gap"),
        ("Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-04 14:45", "fold"),
        ("America/Sao_Paulo", "2018-11-04 00:00", "2018-11-04 03:00", "gap"),
        ("America/Nuuk", "2027-03-27 23:30", "2027-03-28 01:00", "gap"),
        ("Antarctica/Troll", "2026-03-29 01:30", "2026-03-29 01:00", "gap"),
        ("Africa/Casablanca", "2026-02-15 02:30", "2026-02-15 01:30", "fold"),
        ("Asia/Pyongyang", "2018-05-04 23:45", "2018-05-04 15:00", "gap"),
        ("America/New_York", "2150-03-08 02:30", "2150-03-08 07:00", "gap"),
    ],
)
def test_a_wall_time_is_its_first_instant_or_the_first_after_the_gap(zone_name, wall, instant, flag):
    assert resolved(zone_name, wall) == Resolved(utc(instant), flag)


def test_a_gap_over_midnight_moves_to_the_next_date_but_leaves_no_date_out():
    moved = resolved("America/Nuuk", "2027-03-27 23:30")

    assert moved is not None
    assert civil_date(moved.instant, zone("America/Nuuk")) == date(2027, 3, 28)


@pytest.mark.parametrize("zone_name", ["Pacific/Apia", "Pacific/Fakaofo"])
def test_a_civil_date_the_calendar_jumped_over_has_no_instant(zone_name):
    for time_of_day in ("00:00", "00:01", "12:00", "23:59:59"):
        assert resolved(zone_name, f"2011-12-30 {time_of_day}") is None
        assert resolved(zone_name, f"2011-12-29 {time_of_day}") is not None
        assert resolved(zone_name, f"2011-12-31 {time_of_day}") is not None


def test_the_fold_mark_and_zone_of_the_given_time_do_not_matter():
    plain = resolve_wall_time(date(2026, 11, 1), time(1, 30), zone("America/New_York"))
    marked = resolve_wall_time(date(2026, 11, 1), time(1, 30, fold=1, tzinfo=UTC), zone("America/New_York"))

    assert plain == marked == Resolved(utc("2026-11-01 05:30"), "fold")


@pytest.mark.parametrize(
    ("zone_name", "instant", "days", "later"),
    [
        ("Asia/Shanghai", "2026-07-01 11:00", 7, "2026-07-08 11:00"),
        ("Europe/Berlin", "2026-03-25 18:00", 7, "2026-04-01 17:00"),
        ("Europe/Berlin", "2026-10-21 17:00", 7, "2026-10-28 18:00"),
        ("America/New_York", "2026-03-01 07:30", 7, "2026-03-08 07:00"),
        ("America/New_York", "2026-10-25 05:30:15.250", 7, "2026-11-01 05:30:15.250"),
        ("America/New_York", "2026-11-08 06:30", -7, "2026-11-01 05:30"),
        ("America/New_York", "2026-11-01 06:30", 1, "2026-11-02 06:30"),
        ("Asia/Shanghai", "2026-01-31 16:30", 366, "2027-02-01 16:30"),
        ("Pacific/Apia", "2011-12-30 05:00", 1, "2011-12-30 10:00"),
        ("Pacific/Apia", "2011-12-30 05:00", 2, "2011-12-31 05:00"),
    ],
)
def test_civil_days_keep_the_wall_time_and_not_the_hours(zone_name, instant, days, later):
    assert add_civil_days(utc(instant), days, zone(zone_name)) == utc(later)


def test_civil_days_are_utc_whatever_zone_the_instant_came_in():
    eastern = datetime(2026, 3, 25, 23, 0, tzinfo=timezone(timedelta(hours=5)))

    later = add_civil_days(eastern, 7, zone("Europe/Berlin"))

    assert later == utc("2026-04-01 17:00")
    assert later.tzinfo is UTC


def test_the_civil_date_is_that_of_the_zone():
    instant = utc("2026-07-01 16:30")

    assert civil_date(instant, zone("Asia/Shanghai")) == date(2026, 7, 2)
    assert civil_date(instant, zone("UTC")) == date(2026, 7, 1)
    assert civil_date(instant.astimezone(zone("Pacific/Kiritimati")), zone("UTC")) == date(2026, 7, 1)


def test_a_naive_datetime_is_refused_rather_than_read_in_the_machines_zone():
    naive = utc("2026-07-01 19:00").replace(tzinfo=None)

    with pytest.raises(ValueError, match="aware"):
        add_civil_days(naive, 7, zone("Asia/Shanghai"))
    with pytest.raises(ValueError, match="aware"):
        civil_date(naive, zone("Asia/Shanghai"))
