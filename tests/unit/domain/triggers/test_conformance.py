"""What every kind of trigger keeps, whatever it computes; a new kind adds its examples here."""

from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

import pytest

from qs.domain.kernel.zones import zone
from qs.domain.scheduler.calendars import Calendar
from qs.domain.scheduler.triggers import Trigger, TriggerKind, preview, words
from qs.domain.scheduler.triggers.registry import READERS
from tests.unit.domain.triggers.making import at, slots, trigger

NATIONAL = Calendar(
    "cn",
    holidays=frozenset(at("2026-10-01").date() + timedelta(days=n) for n in range(7)),
    workdays=frozenset([at("2026-10-10").date()]),
)
WINDOW = {"start_at": at("2026-03-01"), "end_at": at("2026-11-01 12:00")}

EXAMPLES: list[tuple[str, str, str | None, dict[str, Any]]] = [
    (TriggerKind.CRON, "*/15 * * * *", "America/New_York", {}),
    (TriggerKind.CRON, "* * * * * *", "Europe/Berlin", {}),
    (TriggerKind.CRON, "30 2 * * *", "Europe/Berlin", {}),
    (TriggerKind.CRON, "0 0-23 * * *", "Australia/Lord_Howe", {}),
    (TriggerKind.CRON, "H H(1-4) * * 1-5", "America/Santiago", {"calendar": NATIONAL}),
    (TriggerKind.CRON, "0 0 29 2 *", "Pacific/Apia", {}),
    (TriggerKind.CRON, "0 0 0 ? * 6#3", "Asia/Shanghai", {"dialect": "quartz"}),
    (TriggerKind.CRON, "0 9 LW * *", "Africa/Cairo", WINDOW),
    (TriggerKind.CRON, "@hourly", "Asia/Kathmandu", {"calendar": NATIONAL}),
    (TriggerKind.CRON, "@every 90s", None, {}),
    (TriggerKind.DURATION, "1h30m", None, {}),
    (TriggerKind.DURATION, "1.5s", "Asia/Shanghai", {"anchor": at("2026-01-01 00:00:00.25")}),
    (TriggerKind.DURATION, "7h", "America/St_Johns", {"calendar": NATIONAL}),
    (TriggerKind.DURATION, "3650d", None, {}),
    (TriggerKind.FIXED_DELAY, "30s", None, {}),
    (TriggerKind.FIXED_DELAY, "36h", "Asia/Shanghai", {"calendar": NATIONAL} | WINDOW),
    (TriggerKind.DAILY, "02:00,14:30:15", "America/Havana", {}),
    (TriggerKind.DAILY, "00:00", "Asia/Shanghai", {"calendar": NATIONAL}),
    (TriggerKind.WEEKLY, "FRI-SUN,MON 09:00", "Pacific/Chatham", {}),
    (TriggerKind.WEEKLY, "mon-fri 09:00,18:00", "Asia/Shanghai", {"calendar": NATIONAL}),
    (TriggerKind.MONTHLY, "1,15,L,-2 03:00", "Europe/Berlin", {}),
    (TriggerKind.MONTHLY, "30,-31 02:30", "America/New_York", {"missing": "clamp"}),
    (TriggerKind.ONCE, "2026-03-29 02:30", "Europe/Berlin", {}),
    (TriggerKind.ONCE, "2026-07-01T09:00:00.5+08:00", None, WINDOW),
]
# A job of one instant is refused outside its window.
OPEN = [
    example
    for example in EXAMPLES
    if example[0] != TriggerKind.ONCE and not example[3].keys() & {"start_at", "anchor"}
]
IDS = [f"{kind} {schedule}" for kind, schedule, _, _ in EXAMPLES]
INSTANTS = [
    at("1999-12-31 23:59:59.999999"),
    at("2026-03-08 07:00"),
    at("2026-03-28 23:30"),
    at("2026-03-29 01:00"),
    at("2026-10-04 03:12:07.5"),
    at("2026-11-01 05:30"),
    at("2026-11-01 06:30"),
    at("2044-02-29"),
]


@pytest.fixture(params=EXAMPLES, ids=IDS)
def example(request: pytest.FixtureRequest) -> tuple[str, str, str | None, dict[str, Any]]:
    found: tuple[str, str, str | None, dict[str, Any]] = request.param
    return found


@pytest.fixture
def conforming(example: tuple[str, str, str | None, dict[str, Any]]) -> Trigger:
    kind, schedule, timezone, fields = example
    return trigger(kind, schedule, timezone, **fields)


def test_every_kind_has_a_reader_and_an_example():
    assert set(READERS) == set(TriggerKind)
    assert {kind for kind, *_ in EXAMPLES} == set(TriggerKind)


def test_slots_are_utc_and_strictly_later_each(conforming: Trigger):
    for instant in INSTANTS:
        found = slots(conforming, instant, 4)

        assert all(slot.tzinfo is UTC for slot in found)
        assert [instant, *found] == sorted({instant, *found})


def test_what_is_the_same_instant_gives_the_same_slots(conforming: Trigger):
    for instant in INSTANTS:
        for same in (
            instant.astimezone(timezone(timedelta(hours=-7))),
            instant.astimezone(zone("America/New_York")),
        ):
            assert conforming.next_after(same) == conforming.next_after(instant)
            assert conforming.latest(same) == conforming.latest(instant)


def test_a_naive_datetime_is_refused(conforming: Trigger):
    naive = at("2026-07-01").replace(tzinfo=None)

    with pytest.raises(TypeError):
        conforming.next_after(naive)
    if not conforming.depends_on_end:
        with pytest.raises(TypeError):
            conforming.latest(naive)


def test_the_latest_slot_and_the_next_one_have_none_between_them(conforming: Trigger):
    for instant in INSTANTS:
        latest, following = conforming.latest(instant), conforming.next_after(instant)

        if conforming.depends_on_end:
            assert latest is None
            continue
        if latest is not None:
            assert latest <= instant
            assert latest.tzinfo is UTC
            assert conforming.latest(latest) == latest
            assert conforming.next_after(latest - timedelta.resolution) == latest
            assert conforming.next_after(latest) == following
        if following is not None:
            assert conforming.latest(following) == following
            assert conforming.latest(following - timedelta.resolution) == latest


def test_at_either_end_of_time_nothing_breaks(conforming: Trigger):
    for instant in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        following, latest = conforming.next_after(instant), conforming.latest(instant)

        assert following is None or following > instant
        assert latest is None or latest <= instant


def test_the_canonical_text_read_again_gives_the_same_slots(
    example: tuple[str, str, str | None, dict[str, Any]],
):
    kind, schedule, timezone, fields = example
    first = trigger(kind, schedule, timezone, **fields)

    again = trigger(first.kind, first.schedule, first.timezone, **fields)

    assert again == first
    assert again.schedule == first.schedule
    assert (again.kind, again.timezone) == (first.kind, timezone or first.timezone)


@pytest.mark.parametrize(("kind", "schedule", "timezone", "fields"), OPEN)
def test_a_start_and_an_end_cut_slots_off_and_change_no_other(
    kind: str, schedule: str, timezone: str | None, fields: dict[str, Any]
):
    free = trigger(kind, schedule, timezone, **fields)
    start = slots(free, at("2026-01-01"), 2)[-1]
    end = slots(free, start, 2)[-1]

    bounded = trigger(kind, schedule, timezone, anchor=at("1970-01-01"), start_at=start, end_at=end, **fields)

    assert bounded.next_after(at("2000-01-01")) == start
    if not free.depends_on_end:
        assert bounded.next_after(start - timedelta.resolution) == start
        assert bounded.latest(start) == start
        assert bounded.latest(start - timedelta.resolution) is None
        assert bounded.latest(at("2400-01-01")) == free.latest(end - timedelta.resolution)
    assert bounded.next_after(start) == free.next_after(start)
    assert bounded.next_after(end - timedelta.resolution) is None
    assert bounded.next_after(end) is None


def test_a_preview_shows_slots_in_order_by_the_clocks_of_the_zone(conforming: Trigger):
    shown = preview(conforming, at("2026-03-28"), 5)

    assert [occurrence.at for occurrence in shown] == slots(conforming, at("2026-03-28"), 5)
    assert all(occurrence.local == occurrence.at for occurrence in shown)
    assert {str(occurrence.local.tzinfo) for occurrence in shown} <= {conforming.timezone or "UTC"}
    assert {occurrence.dst for occurrence in shown} <= {None, "shifted", "first"}


def test_without_its_calendar_it_follows_none_and_is_otherwise_the_same(
    example: tuple[str, str, str | None, dict[str, Any]],
):
    kind, schedule, timezone, fields = example
    # Its zone stays, which a grid of elapsed time has for its calendar alone.
    named = trigger(kind, schedule, timezone, **fields).without_calendar()
    bare = trigger(kind, schedule, timezone, **{k: v for k, v in fields.items() if k != "calendar"})

    assert named.calendar is None
    for instant in INSTANTS:
        assert slots(named, instant, 4) == slots(bare, instant, 4)


def test_words_say_something_of_one_line_in_both_languages(conforming: Trigger):
    english, chinese = words(conforming, "en"), words(conforming, "zh")

    assert english.isprintable()
    assert chinese.isprintable()
    assert english != chinese
    assert any("一" <= character <= "鿿" for character in chinese)
    assert all(warning.partition(": ")[0].isidentifier() for warning in conforming.warnings)


def test_nothing_depends_on_what_was_asked_before(example: tuple[str, str, str | None, dict[str, Any]]):
    kind, schedule, timezone, fields = example
    random = Random(schedule)
    asked = [at("2026-01-01") + timedelta(seconds=random.randrange(10**8)) for _ in range(10)]
    used = trigger(kind, schedule, timezone, **fields)

    answers = [(used.next_after(instant), used.latest(instant)) for instant in asked]

    for instant, answer in zip(reversed(asked), reversed(answers), strict=True):
        new = trigger(kind, schedule, timezone, **fields)
        assert (new.next_after(instant), new.latest(instant)) == answer
