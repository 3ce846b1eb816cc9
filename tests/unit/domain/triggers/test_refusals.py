"""What is refused, with the words that name the field, the value and a way out."""

from datetime import date, timedelta
from typing import Any

import pytest

from qs.domain.scheduler.calendars import Calendar
from qs.domain.scheduler.triggers import TriggerInvalid
from tests.unit.domain.triggers.making import at, cron, problems


@pytest.mark.parametrize(
    ("expression", "field", "value", "hint"),
    [
        ("", "schedule", "''", "write when the job runs"),
        ("   ", "schedule", "''", "write when the job runs"),
        ("*", "1 field is", "5", "write * for what does not matter"),
        ("* * * *", "4 fields are", "5", "write * for what does not matter"),
        ("0 0 0 * * * 2026", "7 fields are", "6 with the seconds first", "write *"),
        ("60 * * * *", "minute", "60 is not in 0-59", "give a number from 0 to 59"),
        ("* 24 * * *", "hour", "24 is not in 0-23", "give a number from 0 to 23"),
        ("60 * * * * *", "second", "60 is not in 0-59", "give a number from 0 to 59"),
        ("0 0 0 * *", "day of month", "0 is not in 1-31", "give a number from 1 to 31"),
        ("0 0 32 * *", "day of month", "32 is not in 1-31", "give a number from 1 to 31"),
        ("0 0 1 0 *", "month", "0 is not in 1-12", "a name from JAN to DEC"),
        ("0 0 1 13 *", "month", "13 is not in 1-12", "a name from JAN to DEC"),
        ("0 0 * * 8", "day of week", "8 is not in 0-6", "a name from SUN to SAT"),
        ("99999999999999999999 * * * *", "minute", "999999999999 is not in", "give a number"),
        ("*/0 * * * *", "minute", "'*/0' has a step of 0", "write 1 or more"),
        ("*/90 * * * *", "minute", "'*/90' has a step of 90", "duration job with schedule 90m"),
        ("0 */25 * * *", "hour", "'*/25' has a step of 25", "duration job with schedule 25h"),
        ("*/61 * * * * *", "second", "'*/61' has a step of 61", "duration job with schedule 61s"),
        ("0 0 */32 * *", "day of month", "'*/32' has a step of 32", "duration job with schedule 32d"),
        ("0 0 1 */13 *", "month", "'*/13' has a step of 13", "list the values"),
        ("0 0 * * */8", "day of week", "'*/8' has a step of 8", "list the values"),
        ("5-10/99999999999 * * * *", "minute", "larger than the 60 values", "duration job"),
        ("-5 * * * *", "minute", "'-5' is negative", "give a number from 0 to 59"),
        ("5--3 * * * *", "minute", "'-3' is negative", "give a number from 0 to 59"),
        ("*/-5 * * * *", "minute", "'*/-5' has a negative step", "1 or more"),
        ("5/ * * * *", "minute", "'5/' has a step that is no number", "write a/n"),
        ("*/x * * * *", "minute", "'*/X' has a step that is no number", "write a/n"),
        ("*/٣ * * * *", "minute", "'*/٣' has a step that is no number", "digits 0 to 9"),
        ("５ * * * *", "minute", "'５' has digits that are not ASCII", "plain keyboard"),
        ("0 ٣ * * *", "hour", "'٣' has digits that are not ASCII", "plain keyboard"),
        ("1,,2 * * * *", "minute", "'1,,2' has an empty entry", "spare comma"),
        ("1, * * * *", "minute", "'1,' has an empty entry", "spare comma"),
        ("1- * * * *", "minute", "'' is not understood", "a range a-b"),
        ("a * * * *", "minute", "'A' is not understood", "a list"),
        ("5.5 * * * *", "minute", "'5.5' is not understood", "a step a/n"),
        ("? * * * *", "minute", "'?' is not understood", "give a number from 0 to 59"),
        ("** * * * *", "minute", "'**' is not understood", "*"),
        ("0 0 * monday *", "month", "'MONDAY' is not understood", "a name from JAN to DEC"),
        ("0 0 * * Monday", "day of week", "'MONDAY' is not understood", "a name from SUN to SAT"),
        ("0 0 * * 周一", "day of week", "'周一' is not understood", "a name from SUN to SAT"),
        ("0 0 ?,1 * *", "day of month", "'?' mixes ?", "write ? alone"),
        ("0 0 * * ?/2", "day of week", "'?/2' mixes ?", "write ? alone"),
        ("0 0 L-0 * *", "day of month", "'L-0' is not in L-1 to L-30", "write L"),
        ("0 0 L-31 * *", "day of month", "'L-31' is not in L-1 to L-30", "write L"),
        ("0 0 L/2 * *", "day of month", "'L/2' is not understood", "write L, L-n, LW or nW"),
        ("0 0 L-3W * *", "day of month", "'L-3W' is not understood", "write L, L-n, LW or nW"),
        ("0 0 32W * *", "day of month", "32 is not in 1-31", "give a number from 1 to 31"),
        ("0 0 * * L", "day of week", "'L' lacks the weekday", "write 6L"),
        ("0 0 * * 9L", "day of week", "9 is not in 0-6", "a name from SUN to SAT"),
        ("0 0 * * 1#6", "day of week", "'1#6' has no such weekday", "write d#1 to d#5"),
        ("0 0 * * 1#0", "day of week", "'1#0' has no such weekday", "write d#1 to d#5"),
        ("0 0 * * MON#", "day of week", "'MON#' has no such weekday", "or dL for the last one"),
        ("0 0 * * 15W", "day of week", "'15W' is not understood", "belongs into the day of month"),
        ("L * * * *", "minute", "'L' is not understood", "give a number"),
        ("HH * * * *", "minute", "'HH' is not understood", "write H, H/n, H(a-b)"),
        ("H(50-10) * * * *", "minute", "'H(50-10)' has a range that does not rise", "within 0-59"),
        ("H(0-70) * * * *", "minute", "70 is not in 0-59", "give a number"),
        ("H/90 * * * *", "minute", "'H/90' has a step of 90", "duration job"),
        ("0 0 30 2 *", "day of month '30', month '2'", "never meet", "use a day these months have"),
        ("0 0 31 2,4,6,9,11 *", "day of month '31'", "never meet", "or L for the last one"),
        ("0 0 L-30 4 *", "day of month 'L-30', month '4'", "never meet", "L for the last one"),
        ("@reboot", "alias", "'@reboot' is not known", "use one of @yearly"),
        ("@every", "duration", "'@every' is not understood", "@every 10s"),
        ("@every 500ms", "duration", "'@every 500ms' is under one second", "give 1s or more"),
        ("CRON_TZ=Mars/Olympus 0 0 * * *", "CRON_TZ", "'Mars/Olympus' is no IANA time zone", "Asia/Shanghai"),
        ("CRON_TZ=UTC", "1 field is", "5", "write *"),
        ("0 0 * * *" + " " * 10 + "x" * 190, "schedule", "209 characters", "several jobs"),
    ],
)
def test_a_bad_expression_is_refused_with_field_value_and_hint(
    expression: str, field: str, value: str, hint: str
):
    [(pointer, detail)] = problems("cron", expression)

    assert pointer == "/schedule"
    told, _, way_out = detail.partition("; ")
    assert told.startswith(field)
    assert value in told
    assert hint in way_out


@pytest.mark.parametrize(
    ("expression", "told", "hint"),
    [
        ("0 0 9 * * 1-5", "day of month '*' and day of week '1-5' must be ? in exactly one", "write ?"),
        ("0 0 9 ? * ?", "day of month '?' and day of week '?' must be ? in exactly one", "write ?"),
        ("0 0 9 ? * 0", "day of week 0 is not in 1-7", "a name from SUN to SAT"),
        ("0 9 ? * 2", "5 fields are given where the quartz dialect takes 6", "put the seconds first"),
        ("0 0 9 ? * 2 2026", "year '2026' is not supported", "start_at and end_at"),
    ],
)
def test_the_quartz_dialect_refuses_what_quartz_refuses(expression: str, told: str, hint: str):
    [(pointer, detail)] = problems("cron", expression, dialect="quartz")

    assert pointer == "/schedule"
    assert detail.startswith(told)
    assert hint in detail.partition(";")[2]


@pytest.mark.parametrize(
    ("kind", "schedule", "told", "hint"),
    [
        ("duration", "30", "duration '30' has no unit", "30s"),
        ("duration", "-5s", "duration '-5s' is negative", "30s"),
        ("duration", "5 s", "duration '5 s' is not understood", "30s"),
        ("duration", "5x", "duration '5x' is not understood", "30s"),
        ("duration", "1h30", "duration '1h30' is not understood", "1h30m"),
        ("duration", "10us", "duration '10us' is not understood", "30s"),
        ("duration", "٣s", "duration '٣s' is not understood", "30s"),
        ("duration", "999ms", "duration '999ms' is under one second", "1s or more"),
        ("duration", "0s", "duration '0s' is under one second", "1s or more"),
        ("duration", "100000h", "duration '100000h' is over ten years", "cron"),
        ("duration", "999999999d", "duration '999999999d' is over ten years", "cron"),
        ("duration", "1.0005s", "duration '1.0005s' is not in whole milliseconds", "round it"),
        ("fixed_delay", "soon", "duration 'soon' is not understood", "30s"),
        ("daily", "2:00", "time '2:00' is not understood", "write HH:MM"),
        ("daily", "24:00", "time '24:00' is not in 00:00 to 23:59:59", "00:00 for midnight"),
        ("daily", "02:60", "time '02:60' is not in 00:00 to 23:59:59", "00:00 for midnight"),
        ("daily", "02:00,", "time '' is not understood", "several with commas"),
        ("daily", "02:00 14:30", "time '02:00 14:30' is not understood", "several with commas"),
        ("daily", "０２:00", "time '０２:00' is not understood", "write HH:MM"),
        ("weekly", "09:00", "day of week is missing before '09:00'", "MON,FRI 09:00"),
        ("weekly", "MON", "time '' is not understood", "write HH:MM"),
        ("weekly", "FUNDAY 09:00", "day of week 'FUNDAY' is not understood", "a name from SUN to SAT"),
        ("weekly", "* 09:00", "day of week '*' is not a list of days", "MON-FRI,SUN"),
        ("weekly", "MON/2 09:00", "day of week 'MON/2' is not a list of days", "MON-FRI,SUN"),
        ("weekly", "H 09:00", "day of week 'H' is not a list of days", "MON-FRI,SUN"),
        ("monthly", "0 03:00", "day of month '0' is not in 1 to 31", "1,15,L 03:00"),
        ("monthly", "32 03:00", "day of month '32' is not in 1 to 31", "1,15,L 03:00"),
        ("monthly", "-32 03:00", "day of month '-32' is not in 1 to 31", "1,15,L 03:00"),
        ("monthly", "LW 03:00", "day of month 'LW' is not in 1 to 31", "use a cron job"),
        ("monthly", "1-5 03:00", "day of month '1-5' is not in 1 to 31", "use a cron job"),
        ("monthly", "1", "time '' is not understood", "write HH:MM"),
        ("once", "tomorrow", "instant 'tomorrow' is not understood", "2026-07-01T09:00:00+08:00"),
        ("once", "2026-07-01", "instant '2026-07-01' is not understood", "2026-07-01 09:00"),
        ("once", "2026-02-30 09:00", "instant '2026-02-30 09:00' is no date and time", "write"),
        ("once", "2026-07-01T09:00:60Z", "instant '2026-07-01T09:00:60Z' is no date and time", "write"),
        ("once", "0001-01-01T00:00:00Z", "instant '0001-01-01T00:00:00Z' is not in the years 1970", "write"),
    ],
)
def test_a_bad_schedule_of_any_other_kind_is_refused_with_value_and_hint(
    kind: str, schedule: str, told: str, hint: str
):
    [(pointer, detail)] = problems(kind, schedule)

    assert pointer == "/schedule"
    assert detail.startswith(told)
    assert hint in detail.partition(";")[2]


@pytest.mark.parametrize(
    ("fields", "pointer", "told"),
    [
        ({"kind": "hourly"}, "/type", "type 'hourly' is not known; use one of cron, duration"),
        ({"timezone": "Mars/Olympus"}, "/timezone", "'Mars/Olympus' is no IANA time zone; use a name"),
        ({"timezone": "asia/shanghai"}, "/timezone", "'asia/shanghai' is no IANA time zone; use a name"),
        ({"timezone": "x" * 900}, "/timezone", "'xxx"),
        (
            {"timezone": None, "default_timezone": "Mars"},
            "/timezone",
            "'Mars' is no IANA time zone; use a name",
        ),
        (
            {"jitter": timedelta(seconds=-1)},
            "/jitter",
            "jitter -1 day, 23:59:59 is not from 0s to 24h; give 0s",
        ),
        ({"jitter": timedelta(hours=25)}, "/jitter", "jitter 1 day, 1:00:00 is not from 0s to 24h; give 0s"),
        ({"max_runs": 0}, "/max_runs", "max_runs 0 would never run; give 1 or more"),
        ({"dialect": "jenkins"}, "/dialect", "dialect 'jenkins' is not known; use standard or quartz"),
        ({"missing": "first"}, "/missing", "missing 'first' is not known; use skip or clamp"),
        ({"missing": "clamp"}, "/missing", "missing clamp is for monthly, not for 'cron'; leave it out"),
        ({"grace": timedelta(0)}, "/grace", "grace is for once, not for 'cron'; see the misfire grace"),
        (
            {"kind": "once", "schedule": "2026-07-01 09:00", "grace": timedelta(seconds=-1)},
            "/grace",
            "grace -1 day, 23:59:59 is negative; give 0s or more",
        ),
        (
            {"kind": "daily", "schedule": "02:00", "dialect": "quartz"},
            "/dialect",
            "dialect quartz is for cron, not for 'daily'; leave it out",
        ),
        (
            {"start_at": at("2026-01-01").replace(tzinfo=None)},
            "/start_at",
            "start_at 2026-01-01 00:00:00 names no",
        ),
        (
            {"start_at": at("2026-01-02"), "end_at": at("2026-01-01")},
            "/end_at",
            "end_at 2026-01-01 00:00:00+00:00 is not later than start_at 2026-01-02 00:00:00+00:00; swap",
        ),
        ({"calendar_name": "cn"}, "/calendar", "calendar 'cn' does not exist; create it first"),
    ],
)
def test_every_other_field_is_checked_too(fields: dict[str, Any], pointer: str, told: str):
    [(found, detail)] = problems(**({"kind": "cron", "schedule": "0 0 * * *"} | fields))

    assert found == pointer
    assert detail.startswith(told)


def test_a_calendar_of_another_name_is_not_taken_for_the_one_that_is_named():
    [(pointer, detail)] = problems("cron", "0 0 * * *", calendar=Calendar("us"), calendar_name="cn")

    assert (pointer, detail.partition(";")[0]) == ("/calendar", "calendar 'cn' does not exist")


def test_every_problem_is_told_at_once():
    found = problems("cron", "61 * 0 * 9", "Mars", jitter=timedelta(seconds=-1), max_runs=0)

    assert [pointer for pointer, _ in found] == [
        "/jitter",
        "/max_runs",
        "/timezone",
        "/schedule",
        "/schedule",
        "/schedule",
    ]


def test_what_is_refused_has_a_code_and_a_sentence():
    with pytest.raises(TriggerInvalid, match="no slot can be computed") as caught:
        cron("x")

    assert caught.value.code == "trigger.invalid"


def test_a_zone_in_the_schedule_must_agree_with_the_zone_of_the_job():
    [(pointer, detail)] = problems("cron", "CRON_TZ=Asia/Shanghai 0 0 * * *", "UTC")

    assert pointer == "/timezone"
    assert detail == "'UTC' is not the zone of CRON_TZ=Asia/Shanghai in the schedule; keep one of the two"


def test_a_single_instant_that_can_never_be_reached_is_refused():
    holiday = Calendar("cn", holidays=frozenset([date(2026, 10, 1)]))

    [(_, on_holiday)] = problems("once", "2026-10-01 09:00", calendar=holiday)
    [(_, too_early)] = problems("once", "2026-10-01 09:00", start_at=at("2026-10-02"))
    [(_, too_late)] = problems("once", "2026-10-01 09:00", end_at=at("2026-10-01 09:00"))
    [(_, lost)] = problems("once", "2011-12-30 09:00", "Pacific/Apia")

    assert "is a holiday of calendar 'cn'" in on_holiday
    assert "is not from start_at to before end_at" in too_early
    assert "is not from start_at to before end_at" in too_late
    assert "never was in Pacific/Apia" in lost
