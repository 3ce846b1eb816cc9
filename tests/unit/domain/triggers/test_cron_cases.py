"""Cron expressions, case by case; the ids are those of the scheduler's specification."""

import pytest

from tests.unit.domain.triggers.making import at, cron, problems, shown, slots

NEW_YORK, BERLIN, SANTIAGO = "America/New_York", "Europe/Berlin", "America/Santiago"


@pytest.mark.parametrize(
    ("expression", "zone", "after", "following"),
    [
        pytest.param(
            "30 2 * * *",
            NEW_YORK,
            "2025-03-08 12:00-05",
            ["2025-03-09 03:00-04", "2025-03-10 02:30-04", "2025-03-11 02:30-04"],
            id="G1",
        ),
        pytest.param(
            "*/15 * * * *",
            NEW_YORK,
            "2025-03-09 01:40-05",
            ["2025-03-09 01:45-05", "2025-03-09 03:00-04", "2025-03-09 03:15-04"],
            id="G2",
        ),
        pytest.param(
            "30 */2 * * *",
            NEW_YORK,
            "2025-03-08 23:45-05",
            ["2025-03-09 00:30-05", "2025-03-09 04:30-04", "2025-03-09 06:30-04"],
            id="G4",
        ),
        pytest.param(
            "0,30 2 * * *",
            BERLIN,
            "2026-03-28 12:00+01",
            ["2026-03-29 03:00+02", "2026-03-30 02:00+02", "2026-03-30 02:30+02"],
            id="G6",
        ),
        pytest.param(
            "0 0 * * *",
            SANTIAGO,
            "2025-09-06 12:00-04",
            ["2025-09-07 01:00-03", "2025-09-08 00:00-03"],
            id="G7",
        ),
        pytest.param(
            "30 1 * * *",
            NEW_YORK,
            "2025-11-01 12:00-04",
            ["2025-11-02 01:30-04", "2025-11-03 01:30-05"],
            id="O1",
        ),
        pytest.param(
            "0 * * * *",
            NEW_YORK,
            "2025-11-02 00:30-04",
            ["2025-11-02 01:00-04", "2025-11-02 01:00-05", "2025-11-02 02:00-05", "2025-11-02 03:00-05"],
            id="O3",
        ),
        pytest.param("30 1 * * *", NEW_YORK, "2025-11-02 01:30-05", ["2025-11-03 01:30-05"], id="O6"),
        pytest.param(
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04 12:00+11",
            ["2026-04-05 01:45+11", "2026-04-06 01:45+10:30"],
            id="O8",
        ),
        pytest.param("0 0 29 2 *", "UTC", "2025-01-01", ["2028-02-29", "2032-02-29"], id="F1"),
        pytest.param("0 0 L * *", "UTC", "2025-01-15", ["2025-01-31", "2025-02-28", "2025-03-31"], id="F6"),
        pytest.param("0 0 LW * *", "UTC", "2025-05-01", ["2025-05-30", "2025-06-30", "2025-07-31"], id="F7"),
        pytest.param(
            "0 0 * * 1#2", "UTC", "2025-01-15", ["2025-02-10", "2025-03-10", "2025-04-14"], id="F10"
        ),
        pytest.param("0 0 * * 7", "UTC", "2025-01-15", ["2025-01-19", "2025-01-26"], id="W2"),
        pytest.param(
            "0 0 * * FRI-SUN",
            "UTC",
            "2025-01-15",
            ["2025-01-17", "2025-01-18", "2025-01-19", "2025-01-24"],
            id="W5",
        ),
        pytest.param(
            "0 0 13 * 5",
            "UTC",
            "2025-06-01",
            ["2025-06-06", "2025-06-13", "2025-06-20", "2025-06-27"],
            id="W8",
        ),
        pytest.param(
            "0 0 */10 * 1",
            "UTC",
            "2025-01-01 12:00",
            ["2025-03-31", "2025-04-21", "2025-07-21", "2025-08-11"],
            id="W9",
        ),
        pytest.param(
            "5/15 * * * *",
            "UTC",
            "2025-01-01",
            ["2025-01-01 00:05", "2025-01-01 00:20", "2025-01-01 00:35", "2025-01-01 00:50"],
            id="S1",
        ),
        pytest.param(
            "30 0 9 * * 1-5",
            "Asia/Shanghai",
            "2025-01-03 09:00:30+08",
            ["2025-01-06 09:00:30+08", "2025-01-07 09:00:30+08"],
            id="X2",
        ),
        pytest.param(
            "0 0 * * *",
            "Pacific/Apia",
            "2011-12-29 12:00-10",
            ["2011-12-31 00:00+14", "2012-01-01 00:00+14"],
            id="Z1",
        ),
        pytest.param("0 3-3 * * *", "UTC", "2025-01-15", ["2025-01-15 03:00", "2025-01-16 03:00"], id="N1"),
    ],
)
def test_an_expression_gives_the_slots_of_the_specification(
    expression: str, zone: str, after: str, following: list[str]
):
    trigger = cron(expression, zone)

    assert slots(trigger, at(after), len(following)) == [at(slot) for slot in following]


@pytest.mark.parametrize(
    ("expression", "detail"),
    [
        pytest.param("0 0 30 2 *", "never fire", id="F4"),
        pytest.param("*/90 * * * *", "larger than the 60 values of the field; use a duration job", id="S6"),
        pytest.param("0 24 * * *", "hour 24 is not in 0-23", id="S11"),
    ],
)
def test_an_expression_that_the_specification_refuses_is_refused(expression: str, detail: str):
    [(pointer, told)] = problems("cron", expression)

    assert pointer == "/schedule"
    assert detail in told


@pytest.mark.parametrize(
    ("expression", "zone", "after", "following"),
    [
        # A fixed job that asks for every hour does not get the one that comes twice.
        (
            "0 0-23 * * *",
            NEW_YORK,
            "2025-11-02 00:30-04",
            ["2025-11-02 01:00-04", "2025-11-02 02:00-05"],
        ),
        # What moves out of a gap falls together with what is there already.
        ("0,30 2-3 * * *", BERLIN, "2026-03-28 23:00+01", ["2026-03-29 03:00+02", "2026-03-29 03:30+02"]),
        # Every pass of a gap's seconds is one slot.
        ("* 30 2 * * *", BERLIN, "2026-03-28 23:00+01", ["2026-03-29 03:00+02", "2026-03-30 02:30+02"]),
        # Seconds do not make a job a wildcard job; the minute does.
        ("0 * 2 * * *", BERLIN, "2026-03-28 23:00+01", ["2026-03-30 02:00+02", "2026-03-30 02:01+02"]),
        # In the second pass, past slots stay past and later ones are still to come.
        ("10,50 1 * * *", NEW_YORK, "2025-11-02 01:20-05", ["2025-11-03 01:10-05", "2025-11-03 01:50-05"]),
        ("10,50 1,2 * * *", NEW_YORK, "2025-11-02 01:20-05", ["2025-11-02 02:10-05"]),
        # Midnight comes twice in Havana, and a day is never done twice.
        (
            "0 0 * * *",
            "America/Havana",
            "2025-11-01 12:00-04",
            ["2025-11-02 00:00-04", "2025-11-03 00:00-05"],
        ),
        (
            "30 * * * *",
            "America/Havana",
            "2025-11-02 00:10-04",
            ["2025-11-02 00:30-04", "2025-11-02 00:30-05"],
        ),
        # In Santiago Saturday's last hour comes again, also for a job of Saturdays.
        (
            "30 * * * 6",
            SANTIAGO,
            "2026-04-04 23:00-03",
            ["2026-04-04 23:30-03", "2026-04-04 23:30-04", "2026-04-11 00:30-04"],
        ),
        # A gap of two hours.
        (
            "30 1 * * *",
            "Antarctica/Troll",
            "2026-03-28 12:00+00",
            ["2026-03-29 03:00+02", "2026-03-30 01:30+02"],
        ),
        # Nothing is made up for a date that a zone never had.
        ("30 2 * * *", "Pacific/Apia", "2011-12-29 12:00-10", ["2011-12-31 02:30+14"]),
        ("0 12 30 * *", "Pacific/Apia", "2011-12-01 00:00-10", ["2012-01-30 12:00+14"]),
        ("*/30 * * * *", "Pacific/Apia", "2011-12-29 23:30-10", ["2011-12-31 00:00+14"]),
        # The instant at which an hour is skipped is a slot of its own right.
        ("0 3 * * *", BERLIN, "2026-03-28 12:00+01", ["2026-03-29 03:00+02", "2026-03-30 03:00+02"]),
    ],
)
def test_clock_changes_move_join_and_drop_slots_as_documented(
    expression: str, zone: str, after: str, following: list[str]
):
    trigger = cron(expression, zone)

    assert slots(trigger, at(after), len(following)) == [at(slot) for slot in following]


@pytest.mark.parametrize(
    ("expression", "after", "following"),
    [
        ("0 22-2/2 * * *", "2025-01-01 12:00", ["01-01 22:00", "01-02 00:00", "01-02 02:00", "01-02 22:00"]),
        ("0 0 1 NOV-FEB *", "2025-01-15", ["02-01 00:00", "11-01 00:00", "12-01 00:00"]),
        ("0 0 30-2 * *", "2025-01-02 12:00", ["01-30 00:00", "01-31 00:00", "02-01 00:00", "02-02 00:00"]),
        ("0 0 * * 6-1", "2025-01-15", ["01-18 00:00", "01-19 00:00", "01-20 00:00", "01-25 00:00"]),
        ("0 0 * * 7-2", "2025-01-15", ["01-19 00:00", "01-20 00:00", "01-21 00:00", "01-26 00:00"]),
        ("0 0 * * 5-7", "2025-01-15", ["01-17 00:00", "01-18 00:00", "01-19 00:00", "01-24 00:00"]),
        ("0 0 * * 0-7/7", "2025-01-15", ["01-19 00:00", "01-26 00:00"]),
        ("0 0 * * mon/2", "2025-01-15 12:00", ["01-17 00:00", "01-20 00:00", "01-22 00:00"]),
        ("0 0 * jan,Mar *", "2025-01-31 12:00", ["03-01 00:00", "03-02 00:00"]),
        ("*/60 * * * *", "2025-01-01 00:30", ["01-01 01:00", "01-01 02:00"]),
        ("0 */24 * * *", "2025-01-01 00:30", ["01-02 00:00", "01-03 00:00"]),
        ("0 0 L-2 * *", "2025-01-15", ["01-29 00:00", "02-26 00:00", "03-29 00:00"]),
        ("0 0 15W * *", "2025-02-01", ["02-14 00:00", "03-14 00:00", "04-15 00:00", "05-15 00:00"]),
        ("0 0 1W * *", "2025-02-02", ["02-03 00:00", "03-03 00:00", "04-01 00:00"]),
        ("0 0 31W * *", "2025-07-01", ["07-31 00:00", "08-29 00:00", "10-31 00:00"]),
        ("0 0 30W * *", "2025-11-01", ["11-28 00:00", "12-30 00:00", "01-30 00:00"]),
        ("0 0 * * 5L", "2025-01-15", ["01-31 00:00", "02-28 00:00", "03-28 00:00"]),
        ("0 0 * * SUNL,1#1", "2025-01-15", ["01-26 00:00", "02-03 00:00", "02-23 00:00"]),
        ("0 0 * * 3#5", "2025-01-01", ["01-29 00:00", "04-30 00:00", "07-30 00:00"]),
        ("0 0 ? * 1", "2025-01-15", ["01-20 00:00", "01-27 00:00"]),
        ("0 0 1 * ?", "2025-01-15", ["02-01 00:00", "03-01 00:00"]),
        ("0 0 ? * ?", "2025-01-15", ["01-16 00:00", "01-17 00:00"]),
        # A list that begins with a star asks for both, one that does not for either.
        ("0 0 *,13 * 5", "2025-06-01", ["06-06 00:00", "06-13 00:00", "06-20 00:00"]),
        ("0 0 13,* * 5", "2025-06-01", ["06-02 00:00", "06-03 00:00"]),
        (
            "0 0 L * 1",
            "2025-06-01",
            ["06-02 00:00", "06-09 00:00", "06-16 00:00", "06-23 00:00", "06-30 00:00"],
        ),
        ("  0\t0  1 * *\n", "2025-01-15", ["02-01 00:00"]),
        ("00 09 * * *", "2025-01-15", ["01-15 09:00"]),
        ("@yearly", "2025-01-15", ["01-01 00:00"]),
        ("@Annually", "2025-01-15", ["01-01 00:00"]),
        ("@monthly", "2025-01-15", ["02-01 00:00"]),
        ("@weekly", "2025-01-15", ["01-19 00:00"]),
        ("@daily", "2025-01-15", ["01-16 00:00"]),
        ("@midnight", "2025-01-15", ["01-16 00:00"]),
        ("@hourly", "2025-01-15", ["01-15 01:00"]),
    ],
)
def test_every_part_of_the_grammar_means_what_it_says(expression: str, after: str, following: list[str]):
    assert shown(cron(expression), after, len(following)) == following


@pytest.mark.parametrize(
    ("expression", "after", "following"),
    [
        ("0 0 9 ? * 2-6", "2025-01-03 09:00", ["01-06 09:00", "01-07 09:00"]),
        ("0 0 9 ? * MON-FRI", "2025-01-03 09:00", ["01-06 09:00", "01-07 09:00"]),
        ("0 0 0 ? * 1", "2025-01-15", ["01-19 00:00"]),
        ("0 0 0 ? * 7-1", "2025-01-15", ["01-18 00:00", "01-19 00:00", "01-25 00:00"]),
        ("0 0 0 ? * 6L", "2025-01-15", ["01-31 00:00"]),
        ("0 0 0 ? * L", "2025-01-15", ["01-18 00:00", "01-25 00:00"]),
        ("0 0 0 ? * 2#2", "2025-01-15", ["02-10 00:00"]),
        ("0 0 0 ? * 2/3", "2025-01-15", ["01-16 00:00", "01-20 00:00"]),
        ("0 0 0 1 * ?", "2025-01-15", ["02-01 00:00"]),
        # What xxl-job shows a new user.
        ("0 0 0 * * ? *", "2025-01-15", ["01-16 00:00"]),
        ("0/5 * * * * ?", "2025-01-15 00:00:56", ["01-15 00:01"]),
        ("@daily", "2025-01-15", ["01-16 00:00"]),
    ],
)
def test_the_quartz_dialect_counts_from_one_for_sunday(expression: str, after: str, following: list[str]):
    assert shown(cron(expression, dialect="quartz"), after, len(following)) == following


def test_seconds_come_first_and_every_second_is_a_slot():
    assert slots(cron("* * * * * *"), at("2025-01-01 00:00:58.5"), 3) == [
        at("2025-01-01 00:00:59"),
        at("2025-01-01 00:01:00"),
        at("2025-01-01 00:01:01"),
    ]
    assert cron("*/20 30 * * * *").latest(at("2025-01-01 01:10")) == at("2025-01-01 00:30:40")


def test_a_slot_that_is_decades_away_is_found_in_both_directions():
    trigger = cron("0 0 29 2 */7")

    assert slots(trigger, at("2025-01-01"), 2) == [at("2032-02-29"), at("2060-02-29")]
    assert trigger.latest(at("2025-01-01")) == at("2004-02-29")


def test_over_a_century_that_is_no_leap_year_the_29th_of_february_is_eight_years_away():
    assert cron("0 0 29 2 *").next_after(at("2096-03-01")) == at("2104-02-29")


def test_a_wildcard_job_whose_only_hour_is_skipped_each_year_is_given_up():
    trigger = cron("* 2 * 3 SUN#2", NEW_YORK)

    assert trigger.next_after(at("2026-01-01")) is None
    assert trigger.latest(at("2026-01-01")) == at("2006-03-12 02:59-05")


def test_after_the_last_year_there_is_a_date_for_no_slot_comes():
    trigger = cron("0 0 1 1 *")

    assert trigger.next_after(at("9998-12-30")) is None
    assert cron("* * * * *").next_after(at("9999-12-31 23:59")) is None
    assert trigger.latest(at("0001-01-05")) is None
    assert cron("* * * * *").latest(at("0001-01-05")) is None
