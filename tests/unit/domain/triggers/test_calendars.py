from datetime import date, timedelta

import pytest

from qs.domain.scheduler.calendars import Calendar, CalendarInvalid
from tests.unit.domain.triggers.making import at, cron, shown, slots, trigger

# The first week of October is off, and Saturday the 10th is worked instead.
CHINA = Calendar(
    "cn",
    holidays=frozenset(date(2026, 10, day) for day in range(1, 8)),
    workdays=frozenset([date(2026, 10, 10)]),
)
SUNDAY_WORKED = Calendar("cn", workdays=frozenset([date(2026, 10, 11)]))


@pytest.mark.parametrize(
    ("kind", "schedule", "following"),
    [
        ("cron", "0 9 * * 1-5", ["09-30", "10-08", "10-09", "10-10", "10-12"]),
        ("cron", "0 9 * * MON-FRI,SUN", ["09-30", "10-08", "10-09", "10-10", "10-11", "10-12"]),
        ("weekly", "MON-FRI 09:00", ["09-30", "10-08", "10-09", "10-10", "10-12"]),
        # Not restricted by the day of the week: holidays are lost, nothing is added.
        ("cron", "0 9 * * *", ["09-30", "10-08", "10-09", "10-10", "10-11", "10-12"]),
        ("daily", "09:00", ["09-30", "10-08", "10-09", "10-10", "10-11", "10-12"]),
        ("cron", "0 9 1,8 * *", ["10-08", "11-01"]),
        ("monthly", "1,8 09:00", ["10-08", "11-01"]),
        # A make-up Saturday is no Monday, and it stays a Saturday.
        ("cron", "0 9 * * MON", ["10-12", "10-19"]),
        ("cron", "0 9 * * 6,0", ["10-10", "10-11", "10-17"]),
        # It is a working day only where the other fields let it be one.
        ("cron", "0 9 * 11 1-5", ["11-02", "11-03"]),
        ("cron", "0 9 */3 * 1-5", ["10-10", "10-13"]),
        ("cron", "0 9 */2 * 1-5", ["10-09", "10-13"]),
        ("cron", "0 9 31 * 1-5", ["09-30", "10-08", "10-09", "10-10", "10-12"]),
        ("cron", "0 9 * * 1#2", ["10-12"]),
        # LW and nW know Monday to Friday and no calendar.
        ("cron", "0 9 1W * *", ["11-02"]),
    ],
)
def test_holidays_go_and_make_up_workdays_come_in(kind: str, schedule: str, following: list[str]):
    job = trigger(kind, schedule, "Asia/Shanghai", calendar=CHINA)

    assert shown(job, "2026-09-29 12:00+08", len(following)) == [f"{day} 09:00" for day in following]
    last = slots(job, at("2026-09-29 12:00+08"), len(following))[-1]
    assert job.latest(last - timedelta.resolution) == (
        slots(job, at("2026-09-29 12:00+08"), len(following) - 1)[-1]
        if len(following) > 1
        else job.latest(last - timedelta(days=1))
    )


def test_a_week_of_six_days_covers_a_make_up_sunday():
    job = cron("0 9 * * MON-SAT", "Asia/Shanghai", calendar=SUNDAY_WORKED)

    assert shown(job, "2026-10-10 12:00+08", 2) == ["10-11 09:00", "10-12 09:00"]


def test_a_wildcard_job_rests_all_day():
    job = cron("0 */12 * * *", "Asia/Shanghai", calendar=CHINA)

    assert shown(job, "2026-09-30 12:00+08", 2) == ["10-08 00:00", "10-08 12:00"]


def test_a_duration_leaves_out_what_falls_on_a_holiday_of_its_zone():
    every = trigger("duration", "10h", None, default_timezone="Asia/Shanghai", calendar=CHINA)

    before, after = slots(every, at("2026-09-30 10:00+08"), 2)

    assert every.timezone == "Asia/Shanghai"
    assert before < at("2026-10-01 00:00+08") <= before + timedelta(hours=10)
    assert after - timedelta(hours=10) < at("2026-10-08 00:00+08") <= after
    assert not (after - before) % timedelta(hours=10)
    assert every.latest(at("2026-10-05 00:00+08")) == before


def test_a_fixed_delay_that_ends_on_a_holiday_waits_until_it_is_over():
    delay = trigger("fixed_delay", "1h", "Asia/Shanghai", calendar=CHINA)

    assert delay.next_after(at("2026-09-30 22:59+08")) == at("2026-09-30 23:59+08")
    assert delay.next_after(at("2026-09-30 23:30+08")) == at("2026-10-08 00:00+08")


def test_a_holiday_that_clocks_come_back_to_after_midnight_is_over_for_elapsed_time():
    # At 00:01 on 30 October 2005 the clocks of Newfoundland went back to 23:01 of the 29th.
    holiday = Calendar("ca", holidays=frozenset([date(2005, 10, 29)]))
    every = trigger("duration", "10m", "America/St_Johns", calendar=holiday)

    following = every.next_after(at("2005-10-29 12:00-02:30"))

    assert following == at("2005-10-30 00:00-02:30")
    assert every.next_after(following) == at("2005-10-29 23:10-03:30")
    assert every.latest(at("2005-10-30 00:00-02:30")) == following


def test_single_instants_do_not_mind_a_calendar_but_on_its_holidays():
    assert trigger("once", "2026-10-08 09:00", calendar=CHINA).next_after(at("2026-01-01")) == at(
        "2026-10-08 09:00"
    )


@pytest.mark.parametrize(
    ("fields", "pointer", "detail"),
    [
        ({"name": ""}, "/name", "must have 1 to 100 characters"),
        ({"name": " cn"}, "/name", "no space at either end"),
        ({"name": "x" * 101}, "/name", "must have 1 to 100 characters"),
        (
            {"holidays": frozenset([date(2026, 10, 1)]), "workdays": frozenset([date(2026, 10, 1)])},
            "/workdays",
            "2026-10-01 is a holiday too; keep it in one of the two lists",
        ),
        (
            {"holidays": frozenset(date(2026, 1, 1) + timedelta(days=n) for n in range(5_001))},
            "/holidays",
            "5001 dates are more than the 5000 of a calendar; drop past years",
        ),
    ],
)
def test_a_calendar_that_contradicts_itself_is_refused(fields: dict[str, object], pointer: str, detail: str):
    with pytest.raises(CalendarInvalid) as caught:
        Calendar(**({"name": "cn"} | fields))  # type: ignore[arg-type]

    [problem] = caught.value.problems
    assert problem.pointer == pointer
    assert detail in problem.detail


def test_a_long_list_of_contradictions_is_cut_short():
    days = frozenset(date(2026, 1, day) for day in range(1, 9))

    with pytest.raises(CalendarInvalid) as caught:
        Calendar("cn", days, days)

    assert "2026-01-05 and 3 more is" in caught.value.problems[0].detail


def test_five_thousand_dates_are_taken():
    assert (
        Calendar("cn", frozenset(date(2026, 1, 1) + timedelta(days=n) for n in range(5_000))).workdays
        == frozenset()
    )
