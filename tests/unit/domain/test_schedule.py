from datetime import UTC, date, datetime, time, timedelta

import pytest

from qs.domain.kernel.zones import UnknownZone
from qs.domain.plan.schedule import (
    FixedDatesCannotShift,
    InvalidSchedule,
    InvalidStartDate,
    OccasionOutOfRange,
    Occasions,
    Schedule,
    ScheduleType,
    Shift,
    read_start_date,
)

SHANGHAI = "Asia/Shanghai"
HUGE = 10**5000


def by(unit: str, interval: object, total_times: object, **fields: object) -> Schedule:
    return Schedule.of(schedule_type=f"by_{unit}", interval=interval, total_times=total_times, **fields)


def custom(**fields: object) -> Schedule:
    return Schedule.of(schedule_type="custom", **fields)


def fixed(*dates: object, **fields: object) -> Schedule:
    return Schedule.of(schedule_type="fixed_date", fixed_dates=list(dates), **fields)


def dates(planned: Occasions) -> list[str]:
    return [f"{occasion.date:%m-%d}" for occasion in planned.occasions]


def instants(planned: Occasions) -> list[str]:
    return [f"{occasion.planned_at:%m-%d %H:%MZ}" for occasion in planned.occasions]


def problems(**fields: object) -> dict[str, str]:
    with pytest.raises(InvalidSchedule) as caught:
        Schedule.of(**({"schedule_type": "by_day"} | fields))
    assert caught.value.code == "plan.invalid_schedule"
    return {problem.pointer: problem.detail for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("schedule", "start", "planned"),
    [
        (by("week", 2, 4), "2026-07-01", "07-01 07-15 07-29 08-12"),
        (by("day", 3, 4, trigger_time="08:30"), "2026-07-01", "07-01 07-04 07-07 07-10"),
        (custom(relative_weeks=[2, 4, 8, 12, 18]), "2025-01-06", "01-20 02-03 03-03 03-31 05-12"),
        (custom(relative_weeks=[0, 4, 8, 12]), "2026-01-15", "01-15 02-12 03-12 04-09"),
        (custom(relative_days=[0, 1, 30]), "2026-01-31", "01-31 02-01 03-02"),
        (custom(relative_months=[0, 1, 2, 13]), "2027-01-31", "01-31 02-28 03-31 02-29"),
        (by("month", 1, 6), "2026-01-31", "01-31 02-28 03-31 04-30 05-31 06-30"),
        (by("month", 12, 3), "2024-02-29", "02-29 02-28 02-28"),
        (by("month", 3, 3), "2026-11-30", "11-30 02-28 05-30"),
        (by("day", 1, 4), "2024-02-27", "02-27 02-28 02-29 03-01"),
    ],
)
def test_dates_are_counted_on_the_calendar_from_the_start_date(schedule, start, planned):
    assert dates(schedule.occasions(start, SHANGHAI)) == planned.split()
    anchor = date.fromisoformat(start)
    assert [f"{schedule.date_of(anchor, i):%m-%d}" for i in range(schedule.total_times)] == planned.split()


def test_the_trigger_time_is_19_00_of_the_zone_unless_said():
    planned = custom(relative_weeks=[0, 4, 8, 12]).occasions("2026-01-15", SHANGHAI)

    assert instants(planned) == ["01-15 11:00Z", "02-12 11:00Z", "03-12 11:00Z", "04-09 11:00Z"]
    assert instants(by("day", 3, 1, trigger_time="08:30").occasions("2026-07-01", SHANGHAI)) == [
        "07-01 00:30Z"
    ]


def test_occasions_are_numbered_from_1_and_their_instants_are_utc():
    planned = by("week", 2, 3).occasions(date(2026, 7, 1), SHANGHAI)

    assert [occasion.seq for occasion in planned.occasions] == [1, 2, 3]
    assert all(occasion.planned_at.tzinfo is UTC and occasion.flag is None for occasion in planned.occasions)
    assert planned.skipped == ()


def test_the_wall_time_stays_when_the_clocks_change():
    planned = by("week", 1, 4, trigger_time="09:00").occasions("2026-03-16", "Europe/Berlin")

    assert instants(planned) == ["03-16 08:00Z", "03-23 08:00Z", "03-30 07:00Z", "04-06 07:00Z"]


def test_a_wall_time_in_a_gap_moves_to_its_end_and_is_flagged():
    planned = by("day", 1, 2, trigger_time="02:30").occasions("2026-03-08", "America/New_York")

    assert instants(planned) == ["03-08 07:00Z", "03-09 06:30Z"]
    assert [occasion.flag for occasion in planned.occasions] == ["gap", None]
    assert dates(planned) == ["03-08", "03-09"]


def test_a_wall_time_that_comes_twice_takes_the_first_and_is_flagged():
    planned = by("day", 1, 2, trigger_time="01:30").occasions("2026-11-01", "America/New_York")

    assert instants(planned) == ["11-01 05:30Z", "11-02 06:30Z"]
    assert [occasion.flag for occasion in planned.occasions] == ["fold", None]


def test_a_date_the_calendar_lacks_is_left_out_and_takes_no_seq():
    planned = by("day", 1, 4).occasions("2011-12-28", "Pacific/Apia")

    assert dates(planned) == ["12-28", "12-29", "12-31"]
    assert [occasion.seq for occasion in planned.occasions] == [1, 2, 3]
    assert planned.skipped == (date(2011, 12, 30),)
    assert fixed("2011-12-30").occasions(None, "Pacific/Apia") == Occasions((), (date(2011, 12, 30),))


def test_fixed_dates_ignore_the_start_date():
    schedule = fixed("2026-09-01", date(2026, 12, 1))

    assert dates(schedule.occasions(None, SHANGHAI)) == ["09-01", "12-01"]
    assert schedule.occasions("1850-01-01", SHANGHAI) is schedule.occasions(date(2030, 1, 1), SHANGHAI)
    assert schedule.date_of(None, 1) == date(2026, 12, 1)


def test_many_enrollments_with_one_start_date_compute_once():
    first = by("week", 2, 4).occasions(date(2026, 7, 1), SHANGHAI)

    assert by("week", 2, 4).occasions("2026-07-01", SHANGHAI) is first
    assert by("week", 2, 4).occasions("2026-07-01", "Asia/Tokyo") is not first
    assert by("week", 2, 4).occasions("2026-07-01", SHANGHAI, [Shift(1, 1)]) is not first


def test_shifts_add_whole_days_after_clamping_from_their_seq_on():
    schedule = by("month", 1, 4)

    once = schedule.occasions("2026-01-31", SHANGHAI, [Shift(from_seq=2, days=3)])
    twice = schedule.occasions("2026-01-31", SHANGHAI, [Shift(2, 3), Shift(4, 10)])

    assert dates(once) == ["01-31", "03-03", "04-03", "05-03"]
    assert dates(twice) == ["01-31", "03-03", "04-03", "05-13"]


def test_a_shift_keeps_the_wall_time_and_counts_seqs_as_they_are_given():
    across_dst = by("week", 1, 2, trigger_time="09:00").occasions(
        "2026-03-16", "Europe/Berlin", [Shift(2, 7)]
    )
    around_a_lost_date = by("day", 1, 5).occasions("2011-12-28", "Pacific/Apia", [Shift(4, 5)])

    assert instants(across_dst) == ["03-16 08:00Z", "03-30 07:00Z"]
    assert dates(around_a_lost_date) == ["12-28", "12-29", "12-31", "01-06"]


def test_fixed_dates_cannot_shift():
    with pytest.raises(FixedDatesCannotShift):
        fixed("2026-09-01").occasions(None, SHANGHAI, [Shift(1, 1)])


def test_a_shift_never_moves_anything_earlier():
    for from_seq, days in ((0, 1), (-1, 1), (1, -1)):
        with pytest.raises(ValueError, match="shift"):
            Shift(from_seq, days)


@pytest.mark.parametrize(
    ("schedule", "start", "shifts", "seq"),
    [
        (by("week", 366, 100), "2099-12-31", [], 16),
        (by("month", 366, 100), "2000-01-01", [], 8),
        (custom(relative_months=[0, 1_200]), "2099-12-31", [Shift(2, 1)], 2),
        (by("day", 1, 2), "2026-07-01", [Shift(2, 70_000)], 2),
        (by("day", 1, 2), "2026-07-01", [Shift(2, HUGE)], 2),
    ],
    ids=["weeks", "months", "list", "shift", "huge shift"],
)
def test_an_occasion_after_2199_is_refused_by_its_seq(schedule, start, shifts, seq):
    with pytest.raises(OccasionOutOfRange) as caught:
        schedule.occasions(start, SHANGHAI, shifts)

    assert caught.value.seq == seq
    assert caught.value.code == "plan.occasion_out_of_range"
    assert f"occasion {seq} " in caught.value.sentence


def test_the_last_day_of_2199_is_still_planned():
    planned = custom(relative_months=[1_200]).occasions("2099-12-31", SHANGHAI)

    assert planned.occasions[0].planned_at == datetime(2199, 12, 31, 11, tzinfo=UTC)


def test_there_is_no_date_of_an_occasion_the_schedule_does_not_have():
    for i in (-1, 2):
        with pytest.raises(IndexError):
            by("day", 1, 2).date_of(date(2026, 7, 1), i)


def test_a_start_date_may_be_from_2000_to_2099():
    for start in ("2000-01-01", "2099-12-31", date(2000, 1, 1), date(2099, 12, 31)):
        assert read_start_date(start).isoformat() == str(start)


def test_any_other_start_date_is_refused():
    for start in (
        "1999-12-31",
        "2100-01-01",
        "2026-02-29",
        "2026-7-1",
        "20260701",
        "2026-W27-3",
        "2026-07-01 ",
        "2026-07-01T00:00:00Z",
        "２０２６-０７-０１",
        "",
        None,
        20260701,
        datetime(2026, 7, 1, tzinfo=UTC),
        date(1999, 12, 31),
    ):
        with pytest.raises(InvalidStartDate) as caught:
            by("day", 1, 1).occasions(start, SHANGHAI)
        assert [problem.pointer for problem in caught.value.problems] == ["/start_date"]


def test_an_unknown_zone_is_refused():
    with pytest.raises(UnknownZone):
        by("day", 1, 1).occasions("2026-07-01", "Mars/Olympus_Mons")


@pytest.mark.parametrize("kind", ["by_day", "by_week", "by_month"])
def test_repeating_schedules_take_1_to_366_units_and_1_to_100_times(kind):
    for interval, total_times in [(1, 1), (366, 100)]:
        schedule = Schedule.of(schedule_type=kind, interval=interval, total_times=total_times)
        assert (schedule.interval, schedule.total_times) == (interval, total_times)
    for wrong in (0, -1, 367, HUGE, 1.0, "1", True, [1]):
        assert problems(schedule_type=kind, interval=wrong, total_times=1).keys() == {"/interval"}
    for wrong in (0, -1, 101, HUGE, 1.0, "1", True, [1]):
        assert problems(schedule_type=kind, interval=1, total_times=wrong).keys() == {"/total_times"}
    assert problems(schedule_type=kind).keys() == {"/interval", "/total_times"}


@pytest.mark.parametrize(
    ("name", "highest"), [("relative_weeks", 5_200), ("relative_days", 36_500), ("relative_months", 1_200)]
)
def test_offsets_are_rising_and_go_up_to_a_hundred_years(name, highest):
    assert getattr(custom(**{name: [0, highest]}), name) == (0, highest)
    assert problems(schedule_type="custom", **{name: [0, highest + 1]}).keys() == {f"/{name}/1"}
    assert problems(schedule_type="custom", **{name: [-1, 1]}).keys() == {f"/{name}/0"}
    assert problems(schedule_type="custom", **{name: [1, 2, 3, 3, 2]}).keys() == {f"/{name}/3", f"/{name}/4"}
    assert problems(schedule_type="custom", **{name: [1, None, "2", True, 1.0, HUGE, 1]}).keys() == {
        f"/{name}/{position}" for position in range(1, 7)
    }


def test_a_list_has_1_to_100_entries():
    for entries in ([], list(range(101)), 4, "4", {"0": 4}):
        assert problems(schedule_type="custom", relative_days=entries).keys() == {"/relative_days"}
        assert problems(schedule_type="fixed_date", fixed_dates=entries).keys() == {"/fixed_dates"}
    assert custom(relative_days=list(range(100))).total_times == 100


def test_fixed_dates_are_rising_dates_from_2000_to_2099():
    assert fixed("2000-01-01", "2099-12-31").fixed_dates == (date(2000, 1, 1), date(2099, 12, 31))
    wrong = [
        "1999-12-31",
        "2026-02-30",
        "2026-07-01",
        "2026-07-01",
        "2100-01-01",
        5,
        datetime(2027, 1, 1, tzinfo=UTC),
    ]
    assert problems(schedule_type="fixed_date", fixed_dates=wrong).keys() == {
        f"/fixed_dates/{position}" for position in (0, 1, 3, 4, 5, 6)
    }


def test_on_lists_total_times_is_absent_or_the_length():
    assert custom(relative_weeks=[2, 4]) == custom(relative_weeks=(2, 4), total_times=2)
    assert fixed("2026-09-01").total_times == 1
    assert problems(schedule_type="custom", relative_weeks=[2, 4], total_times=3).keys() == {"/total_times"}
    assert problems(schedule_type="fixed_date", fixed_dates=["2026-09-01"], total_times=2).keys() == {
        "/total_times"
    }


def test_custom_takes_exactly_one_list():
    assert "0 are given" in problems(schedule_type="custom")["/relative_weeks"]
    assert problems(schedule_type="custom", relative_weeks=[1], relative_months=[1]).keys() == {
        "/relative_weeks",
        "/relative_months",
    }
    assert problems(schedule_type="fixed_date").keys() == {"/fixed_dates"}


@pytest.mark.parametrize(
    ("kind", "own", "foreign"),
    [
        ("by_day", {"interval": 1, "total_times": 1}, {"relative_days": [1], "fixed_dates": ["2026-09-01"]}),
        ("by_week", {"interval": 1, "total_times": 1}, {"relative_weeks": [1]}),
        ("by_month", {"interval": 1, "total_times": 1}, {"relative_months": [1]}),
        ("custom", {"relative_days": [1]}, {"interval": 1, "fixed_dates": ["2026-09-01"]}),
        ("fixed_date", {"fixed_dates": ["2026-09-01"]}, {"interval": 1, "relative_days": [1]}),
    ],
)
def test_fields_of_another_type_are_refused(kind, own, foreign):
    Schedule.of(schedule_type=kind, **own)

    assert problems(schedule_type=kind, **own, **foreign).keys() == {f"/{name}" for name in foreign}


def test_an_unknown_type_is_refused_and_never_defaulted():
    wrong: list[object] = ["", "BY_DAY", "daily", None, 1, ["by_day"], {}]
    for kind in wrong:
        assert problems(schedule_type=kind, interval=1, total_times=1).keys() == {"/schedule_type"}


def test_a_trigger_time_is_hours_and_minutes_and_perhaps_seconds():
    for given, read in (
        ("00:00", time(0)),
        ("08:30", time(8, 30)),
        ("23:59:59", time(23, 59, 59)),
        (time(7, 5), time(7, 5)),
        (None, time(19)),
    ):
        assert by("day", 1, 1, trigger_time=given).trigger_time == read


def test_any_other_trigger_time_is_refused():
    for given in (
        "",
        "24:00",
        "19:60",
        "19:00:60",
        "9:00",
        "1900",
        "19",
        "19:00:00.5",
        "19:00Z",
        "19:00+08:00",
        " 19:00",
        "19:00\n",
        "１９:００",
        "7pm",
        1900,
        True,
        time(19, microsecond=1),
        time(19, tzinfo=UTC),
        timedelta(hours=19),
    ):
        assert problems(interval=1, total_times=1, trigger_time=given).keys() == {"/trigger_time"}


def test_all_problems_are_told_at_once():
    found = problems(schedule_type="by_week", interval=0, relative_days=[1], trigger_time="25:00")

    assert found == {
        "/relative_days": "is not a field of by_week; leave it out",
        "/interval": "must be a whole number from 1 to 366",
        "/trigger_time": "must be a time of day as HH:MM or HH:MM:SS, 00:00 to 23:59:59",
        "/total_times": "is required for by_week",
    }
    assert problems(schedule_type="hourly", interval=0, relative_days=[3, 3]).keys() == {
        "/schedule_type",
        "/interval",
        "/relative_days/1",
    }


def test_a_schedule_is_a_value():
    schedule = by("day", 3, 4, trigger_time="19:00:00")

    assert schedule == by("day", 3, 4)
    assert hash(schedule) == hash(by("day", 3, 4))
    assert schedule.schedule_type is ScheduleType.BY_DAY
