"""Schedules of robfig/cron mean here what they meant there."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from qs.domain.scheduler.triggers.reading import read_trigger
from qs.domain.scheduler.triggers.spec import TriggerSpec
from qs.infra.scheduler.importing.go_durations import go_duration, schedule_of
from qs.infra.scheduler.importing.robfig import SpecRefused, read_spec


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("0 2 * * *", {"type": "cron", "schedule": "0 2 * * *"}),
        ("0 0 0 * * ?", {"type": "cron", "schedule": "0 0 0 * * ?"}),
        ("? ? 1 * *", {"type": "cron", "schedule": "* * 1 * *"}),
        ("?/5 * * * *", {"type": "cron", "schedule": "*/5 * * * *"}),
        ("  @daily ", {"type": "cron", "schedule": "@daily"}),
        ("@every 1h30m", {"type": "duration", "schedule": "1h30m"}),
        ("@every 1500ms", {"type": "duration", "schedule": "1s"}),
        ("@every 10ms", {"type": "duration", "schedule": "1s"}),
        ("CRON_TZ=Asia/Tokyo 0 2 * * *", {"type": "cron", "timezone": "Asia/Tokyo", "schedule": "0 2 * * *"}),
        ("TZ=UTC @every 5s", {"type": "duration", "timezone": "UTC", "schedule": "5s"}),
        ("TZ=Local 0 2 * * *", {"type": "cron", "schedule": "0 2 * * *"}),
        ("0 0 */10 * *", {"type": "cron", "schedule": "0 0 */10 * *"}),
        ("0 0 */10 * 1", {"type": "cron", "schedule": "0 0 1-31/10 * 1"}),
        ("0 0 1 * */2", {"type": "cron", "schedule": "0 0 1 * 0-6/2"}),
        ("0 0 1,* * 1", {"type": "cron", "schedule": "0 0 * * 1"}),
        ("0 0 */1 * 1", {"type": "cron", "schedule": "0 0 */1 * 1"}),
    ],
)
def test_a_spec_becomes_fields_of_a_job(text: str, fields: dict[str, str]) -> None:
    assert read_spec(text, fields=len(text.split())).fields == fields


@pytest.mark.parametrize("day", ["*", "?", "*/1", "*/10", "1,*", "*/10,5", "1-7", "13"])
@pytest.mark.parametrize("weekday", ["*", "?", "*/2", "1", "MON-FRI", "*,1", "*/3,2"])
def test_day_fields_are_combined_as_robfig_combines_them(day: str, weekday: str) -> None:
    schedule = read_spec(f"0 0 {day} * {weekday}", fields=5).fields["schedule"]
    trigger = read_trigger(
        TriggerSpec(type="cron", schedule=schedule),  # type: ignore[arg-type]
        job_id=UUID(int=0),
        default_timezone="UTC",
    )

    days, at = [], datetime(2025, 1, 31, 23, tzinfo=UTC)
    while (at := trigger.next_after(at) or at).month == 2:
        days.append(at.day)

    # February 2025 began on a Saturday, 6.
    assert days == [each for each in range(1, 29) if robfig_runs(day, weekday, each, (each + 5) % 7)]


def robfig_runs(day: str, weekday: str, on_day: int, on_weekday: int) -> bool:
    """SpecSchedule.dayMatches of robfig/cron v3."""
    star = any(term in ("*", "?", "*/1") for field in (day, weekday) for term in field.split(","))
    matches = (bits(day, 1, 31, on_day), bits(weekday, 0, 6, on_weekday))
    return all(matches) if star else any(matches)


def bits(field: str, low: int, high: int, value: int) -> bool:
    names = {"MON": "1", "FRI": "5"}
    for term in field.split(","):
        base, _, step = term.partition("/")
        first, _, last = base.partition("-")
        begin = low if first in ("*", "?") else int(names.get(first, first))
        end = high if first in ("*", "?") else int(names.get(last, last) or begin)
        if value in range(begin, end + 1, int(step or 1)):
            return True
    return False


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("@reboot", "start of a machine"),
        ("", "has 0 fields"),
        ("* * *", "has 3 fields"),
        ("* * * * * * *", "has 7 fields"),
        ("TZ=Mars/Base 0 2 * * *", "'Mars/Base' is no IANA time zone"),
        ("@every soon", "@every 'soon' is no duration"),
    ],
)
def test_what_is_no_schedule_is_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(SpecRefused) as caught:
        read_spec(text, fields=5)

    assert why in caught.value.why
    assert caught.value.what_to_do


def test_what_is_written_otherwise_is_said() -> None:
    [remark] = read_spec("0 0 */10 * 1", fields=5).remarks
    [count] = read_spec("0 2 * * *", fields=6).remarks

    assert "'0 0 1-31/10 * 1' here, which combines day of month and day of week as robfig does" in remark
    assert "has 5 fields where that system took 6 and ran nothing" in count


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("30s", "30s"),
        ("1h30m", "1h30m"),
        ("1.5h", "1h30m"),
        ("100us", "1ms"),
        ("1µs", "1ms"),
        (".5s", "500ms"),
        ("1.s", "1s"),
        ("2h45m30.5s", "2h45m30s500ms"),
        ("1ns", "1ms"),
        ("+5m", "5m"),
    ],
)
def test_durations_of_go_are_read(text: str, schedule: str) -> None:
    assert schedule_of(go_duration(text)) == schedule


@pytest.mark.parametrize(
    "text",
    ["", "30", "1d", "-", "1h 30m", "s", ".s", "1e3s", "٣s", "9" * 30 + "h", "1h" * 200, "9999999999h"],
)
def test_what_go_takes_for_no_duration_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration of Go"):
        go_duration(text)
