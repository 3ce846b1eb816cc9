"""What is special to each kind of trigger."""

from datetime import UTC, timedelta
from itertools import pairwise
from uuid import UUID

import pytest

from qs.domain.kernel.zones import zone
from qs.domain.scheduler.triggers import TriggerKind
from tests.unit.domain.triggers.making import JOB, at, cron, shown, slots, trigger


def test_a_duration_is_a_grid_from_its_anchor_that_no_restart_moves():
    every = trigger("duration", "7m", anchor=at("2026-01-01 00:03"))

    assert slots(every, at("2026-01-01 00:03"), 3) == [
        at("2026-01-01 00:10"),
        at("2026-01-01 00:17"),
        at("2026-01-01 00:24"),
    ]
    assert every.latest(at("2026-01-01 00:16:59")) == at("2026-01-01 00:10")


def test_a_duration_without_an_anchor_begins_at_its_start_or_at_the_epoch():
    assert trigger("duration", "7h").next_after(at("1970-01-01")) == at("1970-01-01 07:00")
    assert trigger("duration", "7h", start_at=at("2026-01-01 00:30")).next_after(at("2020-01-01")) == at(
        "2026-01-01 00:30"
    )
    assert trigger("duration", "7h", start_at=at("2026-01-01 00:30"), anchor=at("2026-01-01")).next_after(
        at("2020-01-01")
    ) == at("2026-01-01 07:00")


def test_a_duration_counts_elapsed_time_whatever_clocks_do():
    anchor = at("2026-03-28 12:00+01:00").astimezone()

    found = slots(trigger("duration", "24h", "Europe/Berlin", anchor=anchor), at("2026-03-28 12:00+01:00"), 1)

    assert found == [at("2026-03-29 13:00+02:00")]


@pytest.mark.parametrize(
    ("written", "canonical", "length"),
    [
        ("30s", "30s", timedelta(seconds=30)),
        ("1h30m", "1h30m", timedelta(minutes=90)),
        ("90m", "1h30m", timedelta(minutes=90)),
        ("1.5h", "1h30m", timedelta(minutes=90)),
        ("@every 10s", "10s", timedelta(seconds=10)),
        ("@EVERY  1h", "1h", timedelta(hours=1)),
        ("1500ms", "1s500ms", timedelta(milliseconds=1500)),
        ("1d", "24h", timedelta(days=1)),
        (" 1s ", "1s", timedelta(seconds=1)),
    ],
)
def test_a_duration_is_written_as_in_go(written: str, canonical: str, length: timedelta):
    every = trigger("duration", written)

    assert every.schedule == canonical
    assert slots(every, at("1970-01-01"), 1) == [at("1970-01-01") + length]


def test_every_in_a_cron_expression_is_a_duration():
    every = cron("@every 10s", None)

    assert (every.kind, every.schedule, every.timezone) == (TriggerKind.DURATION, "10s", None)
    assert every == trigger("duration", "10s", None)


def test_a_fixed_delay_counts_from_the_end_it_is_given():
    delay = trigger("fixed_delay", "90s")

    assert delay.depends_on_end
    assert delay.next_after(at("2026-01-01 10:00:07.5")) == at("2026-01-01 10:01:37.5")
    assert delay.latest(at("2026-01-01")) is None


def test_a_fixed_delay_with_a_start_begins_there():
    delay = trigger("fixed_delay", "90s", start_at=at("2026-01-01"))

    assert delay.next_after(at("2025-06-01")) == at("2026-01-01")
    assert delay.next_after(at("2025-12-31 23:59")) == at("2026-01-01 00:00:30")


def test_a_fixed_delay_counts_elapsed_time_in_whatever_zone_the_end_is_told():
    end = at("2026-03-28 12:00+01:00").astimezone(zone("Europe/Berlin"))

    assert trigger("fixed_delay", "24h").next_after(end) == at("2026-03-29 13:00+02:00")


def test_daily_takes_several_times_in_any_order():
    daily = trigger("daily", "14:30, 02:00,14:30:15,02:00", "Asia/Shanghai")

    assert daily.schedule == "02:00,14:30,14:30:15"
    assert slots(daily, at("2026-01-01 00:00+08"), 4) == [
        at("2026-01-01 02:00+08"),
        at("2026-01-01 14:30+08"),
        at("2026-01-01 14:30:15+08"),
        at("2026-01-02 02:00+08"),
    ]


def test_daily_weekly_and_monthly_are_fixed_where_clocks_change():
    spring, autumn = "2026-03-28 12:00+01:00", "2026-10-24 12:00+02:00"

    assert shown(trigger("daily", "02:15,02:45", "Europe/Berlin"), spring, 2) == [
        "03-29 03:00",
        "03-30 02:15",
    ]
    assert shown(trigger("weekly", "SUN 02:30", "Europe/Berlin"), spring, 2) == ["03-29 03:00", "04-05 02:30"]
    assert shown(trigger("monthly", "29 02:30", "Europe/Berlin"), spring, 2) == ["03-29 03:00", "04-29 02:30"]
    assert slots(trigger("daily", "02:30", "Europe/Berlin"), at(autumn), 2) == [
        at("2026-10-25 02:30+02:00"),
        at("2026-10-26 02:30+01:00"),
    ]


@pytest.mark.parametrize(
    ("written", "canonical", "following"),
    [
        ("MON,FRI 09:00", "MON,FRI 09:00", ["01-02 09:00", "01-05 09:00", "01-09 09:00"]),
        ("fri-Sun 09:00", "SUN,FRI,SAT 09:00", ["01-02 09:00", "01-03 09:00", "01-04 09:00", "01-09 09:00"]),
        ("thu-fri 18:00,09:00", "THU,FRI 09:00,18:00", ["01-01 09:00", "01-01 18:00", "01-02 09:00"]),
        ("7 09:00", "SUN 09:00", ["01-04 09:00", "01-11 09:00"]),
    ],
)
def test_weekly_takes_names_lists_and_ranges(written: str, canonical: str, following: list[str]):
    weekly = trigger("weekly", written)

    assert weekly.schedule == canonical
    assert shown(weekly, "2026-01-01", len(following)) == following


@pytest.mark.parametrize(
    ("written", "missing", "following"),
    [
        ("1,15,l 03:00", "skip", ["01-01 03:00", "01-15 03:00", "01-31 03:00", "02-01 03:00"]),
        ("-2 03:00", "skip", ["01-30 03:00", "02-27 03:00", "03-30 03:00"]),
        ("-1 03:00", "skip", ["01-31 03:00", "02-28 03:00", "03-31 03:00"]),
        ("31 03:00", "skip", ["01-31 03:00", "03-31 03:00", "05-31 03:00"]),
        ("31 03:00", "clamp", ["01-31 03:00", "02-28 03:00", "03-31 03:00", "04-30 03:00"]),
        (
            "29,30,31 03:00",
            "clamp",
            ["01-29 03:00", "01-30 03:00", "01-31 03:00", "02-28 03:00", "03-29 03:00"],
        ),
        ("-31 03:00", "skip", ["01-01 03:00", "03-01 03:00", "05-01 03:00"]),
        ("-31 03:00", "clamp", ["01-01 03:00", "02-01 03:00", "03-01 03:00"]),
        ("5 03:00", "clamp", ["01-05 03:00", "02-05 03:00"]),
    ],
)
def test_monthly_counts_from_either_end_and_says_what_short_months_do(
    written: str, missing: str, following: list[str]
):
    assert shown(trigger("monthly", written, missing=missing), "2026-01-01", len(following)) == following


@pytest.mark.parametrize(
    ("written", "canonical", "instant", "dst"),
    [
        ("2026-07-01T09:00:00+08:00", "2026-07-01T01:00:00Z", "2026-07-01 01:00", None),
        ("2026-07-01t01:00:00z", "2026-07-01T01:00:00Z", "2026-07-01 01:00", None),
        ("2026-07-01 01:00:00.250Z", "2026-07-01T01:00:00.250000Z", "2026-07-01 01:00:00.25", None),
        ("2026-07-01 09:00", "2026-07-01T09:00:00", "2026-07-01 07:00", None),
        ("2026-07-01T09:00:30", "2026-07-01T09:00:30", "2026-07-01 07:00:30", None),
        ("2026-03-29 02:30", "2026-03-29T02:30:00", "2026-03-29 01:00", "shifted"),
        ("2026-10-25 02:30", "2026-10-25T02:30:00", "2026-10-25 00:30", "first"),
    ],
)
def test_once_is_an_instant_or_a_wall_time(written: str, canonical: str, instant: str, dst: str | None):
    once = trigger("once", written, "Europe/Berlin", grace=timedelta(minutes=5))

    assert once.schedule == canonical
    assert slots(once, at("2026-01-01"), 2) == [at(instant)]
    assert once.next_after(at(instant)) is None
    assert once.latest(at(instant)) == at(instant)
    assert once.latest(at(instant) - timedelta.resolution) is None
    assert once.dst(at(instant)) == dst
    assert once.next_after(at("2026-01-01")).tzinfo is UTC  # type: ignore[union-attr]


def test_a_zone_comes_from_the_job_else_from_the_schedule_else_from_the_settings():
    assert cron("0 0 * * *", "Asia/Tokyo").timezone == "Asia/Tokyo"
    assert cron("CRON_TZ=Asia/Tokyo 0 0 * * *", None).timezone == "Asia/Tokyo"
    assert cron("CRON_TZ=Asia/Tokyo @daily", "Asia/Tokyo").timezone == "Asia/Tokyo"
    assert cron("TZ=Asia/Tokyo  0 0 * * *", None).schedule == "0 0 * * *"
    assert cron("CRON_TZ=Asia/Tokyo @every 10s", None).schedule == "10s"
    assert cron("0 0 * * *", None, default_timezone="Asia/Shanghai").timezone == "Asia/Shanghai"


def test_the_canonical_text_is_upper_case_and_single_spaced():
    assert cron("@hourly").schedule == "0 * * * *"
    assert cron("0  9\t* jan mon-fri").schedule == "0 9 * JAN MON-FRI"
    assert cron("h h * * ?").schedule == "H H * * ?"


def test_h_spreads_jobs_and_stays_the_same_for_one():
    jobs = [UUID(int=n << 80) for n in range(200)]

    minutes = [cron("H * * * *", job_id=job).next_after(at("2026-01-01 00:59:59")) for job in jobs]

    assert len(set(minutes)) > 40
    assert minutes == [cron("H * * * *", job_id=job).next_after(at("2026-01-01 00:59:59")) for job in jobs]
    # What was once given is in the calendars of users.
    assert shown(cron("H H H H H", job_id=JOB), "2026-01-01", 1) == ["05-01 09:51"]


def test_h_keeps_to_its_range_and_step_and_to_days_that_every_month_has():
    for job in (UUID(int=n << 70) for n in range(60)):
        hours = shown(cron("0 H(1-4) * * *", job_id=job), "2026-01-01", 2)
        steps = slots(cron("H/15 * * * *", job_id=job), at("2026-01-01"), 5)
        ranged = slots(cron("H(10-40)/20 5 * * *", job_id=job), at("2026-01-01"), 2)
        monthly = shown(cron("0 0 H * *", job_id=job), "2026-01-01 12:00", 12)

        assert hours[0][-5:] == hours[1][-5:]
        assert 1 <= int(hours[0][6:8]) <= 4
        assert {later - earlier for earlier, later in pairwise(steps)} == {timedelta(minutes=15)}
        assert all(10 <= slot.minute <= 40 for slot in ranged)
        assert len({slot[:2] for slot in monthly}) == 12


def test_h_is_a_number_so_the_job_is_one_of_fixed_times():
    job = cron("0 H(2-2) * * *", "Europe/Berlin")

    assert shown(job, "2026-03-28 12:00", 1) == ["03-29 03:00"]


@pytest.mark.parametrize(
    ("expression", "codes"),
    [
        ("0 0 29 2 *", []),
        ("0 0 29 2 */7", ["rare_slot"]),
        ("0 0 ? 2 1#5", ["rare_slot"]),
        ("0 0 ? 1 1#5", []),
        ("0 0-23 * * *", ["repeated_hour_lost"]),
        ("0 0/1 * * *", ["repeated_hour_lost"]),
        ("0 * * * *", []),
        ("* 0-23 * * *", []),
    ],
)
def test_what_may_not_be_meant_is_taken_with_a_warning(expression: str, codes: list[str]):
    assert [warning.partition(":")[0] for warning in cron(expression).warnings] == codes


def test_a_warning_says_what_to_write_instead():
    [lost], [rare] = cron("0 0-23 * * *").warnings, cron("0 0 29 2 */7").warnings
    [empty] = cron("0 0 31 * *", start_at=at("2026-02-01"), end_at=at("2026-03-01")).warnings

    assert lost.endswith("write * for the hour to run in both")
    assert rare == "rare_slot: up to 40 years pass between two slots; check the day fields"
    assert empty.startswith("no_slot_in_window: ")
