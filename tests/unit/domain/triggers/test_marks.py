"""What is told about slots around changes of clocks and around the days of a calendar."""

from datetime import date, timedelta

from qs.domain.scheduler.calendars import Calendar
from qs.domain.scheduler.triggers import Mark, MarkCode, Trigger, preview
from tests.unit.domain.triggers.making import at, cron, trigger

CLINIC = Calendar(
    "holidays-cn",
    holidays=frozenset(date(2026, 10, 1) + timedelta(days=n) for n in range(7)),
    workdays=frozenset([date(2026, 10, 10)]),
)


def told(of: Trigger, after: str, count: int) -> list[tuple[str, list[str]]]:
    """Slots by the clocks of the zone, each with the codes of its marks."""
    return [
        (each.local.isoformat(" ", "minutes"), [mark.code.value for mark in each.marks])
        for each in preview(of, at(after), count)
    ]


def marks(of: Trigger, after: str, count: int) -> list[Mark]:
    """Those of the last of so many slots."""
    return list(preview(of, at(after), count)[-1].marks)


def test_a_time_that_the_clocks_skip_is_moved_and_the_move_of_the_clocks_is_told_once():
    assert told(cron("30 2 * * *", "Europe/Berlin"), "2026-03-27 12:00", 3) == [
        ("2026-03-28 02:30+01:00", []),
        ("2026-03-29 03:00+02:00", ["shifted", "clock_moved"]),
        ("2026-03-30 02:30+02:00", []),
    ]
    assert marks(cron("30 2 * * *", "Europe/Berlin"), "2026-03-27 12:00", 2)[1] == Mark(
        MarkCode.CLOCK_MOVED, minutes=60
    )


def test_a_time_that_comes_twice_fires_the_first_time_and_the_clocks_have_moved_the_day_after():
    assert told(cron("30 2 * * *", "Europe/Berlin"), "2026-10-24 12:00", 2) == [
        ("2026-10-25 02:30+02:00", ["first"]),
        ("2026-10-26 02:30+01:00", ["clock_moved"]),
    ]
    assert marks(cron("30 2 * * *", "Europe/Berlin"), "2026-10-24 12:00", 2) == [
        Mark(MarkCode.CLOCK_MOVED, minutes=-60)
    ]


def test_a_job_that_follows_the_clock_is_told_of_both_passes():
    assert told(cron("30 * * * *", "Europe/Berlin"), "2026-10-24 23:00", 4) == [
        ("2026-10-25 01:30+02:00", []),
        ("2026-10-25 02:30+02:00", ["first_pass"]),
        ("2026-10-25 02:30+01:00", ["second_pass", "clock_moved"]),
        ("2026-10-25 03:30+01:00", []),
    ]
    assert told(trigger("duration", "1h", "America/New_York"), "2026-11-01 04:00", 3) == [
        ("2026-11-01 01:00-04:00", ["first_pass"]),
        ("2026-11-01 01:00-05:00", ["second_pass", "clock_moved"]),
        ("2026-11-01 02:00-05:00", []),
    ]


def test_what_follows_no_zone_is_told_nothing_of_clocks():
    assert told(trigger("duration", "12h", None), "2026-10-24 23:00", 4) == [
        ("2026-10-25 00:00+00:00", []),
        ("2026-10-25 12:00+00:00", []),
        ("2026-10-26 00:00+00:00", []),
        ("2026-10-26 12:00+00:00", []),
    ]


def test_dates_that_a_calendar_took_out_are_counted_before_the_slot_that_follows_them():
    weekdays = cron("0 9 * * 1-5", "Asia/Shanghai", calendar=CLINIC)

    assert told(weekdays, "2026-09-29 12:00", 4) == [
        ("2026-09-30 09:00+08:00", []),
        ("2026-10-08 09:00+08:00", ["left_out"]),
        ("2026-10-09 09:00+08:00", []),
        ("2026-10-10 09:00+08:00", ["worked"]),
    ]
    # Of the seven holidays a Saturday and a Sunday would have been free in any case.
    assert marks(weekdays, "2026-09-29 12:00", 2) == [
        Mark(MarkCode.LEFT_OUT, dates=5, calendar="holidays-cn")
    ]
    assert marks(weekdays, "2026-09-29 12:00", 4) == [Mark(MarkCode.WORKED, calendar="holidays-cn")]


def test_dates_count_and_not_slots_and_only_from_the_instant_asked_about():
    hourly = cron("0 * * * *", "Asia/Shanghai", calendar=CLINIC)

    assert marks(hourly, "2026-09-30 15:59", 1) == [Mark(MarkCode.LEFT_OUT, dates=7, calendar="holidays-cn")]
    # 7 October 23:30 in Shanghai: nothing more would have fired on that day.
    assert marks(hourly, "2026-10-07 15:30", 1) == []
    assert marks(hourly, "2026-10-07 14:30", 1) == [Mark(MarkCode.LEFT_OUT, dates=1, calendar="holidays-cn")]


def test_a_window_takes_out_no_dates_of_a_calendar():
    late = cron("0 9 * * *", "Asia/Shanghai", calendar=CLINIC, start_at=at("2026-10-05 16:00"))

    assert marks(late, "2026-09-01", 1) == [Mark(MarkCode.LEFT_OUT, dates=2, calendar="holidays-cn")]


def test_a_grid_of_elapsed_time_keeps_its_grid_and_tells_the_dates():
    assert told(trigger("duration", "12h", "Asia/Shanghai", calendar=CLINIC), "2026-09-30 08:00", 3) == [
        ("2026-09-30 20:00+08:00", []),
        ("2026-10-08 08:00+08:00", ["left_out"]),
        ("2026-10-08 20:00+08:00", []),
    ]


def test_a_delay_that_would_end_on_a_holiday_waits_until_it_is_over():
    delay = trigger("fixed_delay", "36h", "Asia/Shanghai", calendar=CLINIC)

    assert told(delay, "2026-09-28 08:00", 2) == [
        ("2026-09-30 04:00+08:00", []),
        ("2026-10-08 00:00+08:00", ["waited"]),
    ]


def test_a_calendar_of_thousands_of_dates_is_looked_at_in_no_time():
    many = Calendar(
        "many", holidays=frozenset(date(2026, 1, 1) + timedelta(days=2 * n) for n in range(4_000))
    )

    found = preview(cron("0 9 * * *", "Europe/Berlin", calendar=many), at("2026-01-01 12:00"), 100)

    assert [mark.dates for each in found[1:] for mark in each.marks if mark.code is MarkCode.LEFT_OUT] == [
        1
    ] * 99
