"""Which reminders a task gets, and how its plan spells them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qs.domain.kernel.errors import Problem
from qs.domain.notification.quiet_hours import QuietHours
from qs.domain.notification.remaining import remaining_text
from qs.domain.notification.reminding import Anchor, ReminderRule, reminders_of
from qs.domain.plan.reminders import Reminder, ReminderKind, read_reminders

OPENED = datetime(2026, 3, 9, 11, tzinfo=UTC)
EXPIRES = OPENED + timedelta(days=7)
NIGHT = QuietHours.parse("21:00-08:00")


def rule(anchor: Anchor, **length: float) -> ReminderRule:
    return ReminderRule(anchor, timedelta(**length), "x")


def made(*rules: ReminderRule, now: datetime = OPENED, quiet: QuietHours | None = None) -> list[datetime]:
    return [
        each.at
        for each in reminders_of(
            rules, opened_at=OPENED, expires_at=EXPIRES, now=now, timezone="Asia/Shanghai", quiet=quiet
        )
    ]


def test_a_reminder_is_counted_from_the_opening_or_back_from_the_end():
    assert made(rule(Anchor.AFTER, days=2), rule(Anchor.BEFORE_EXPIRY, hours=24)) == [
        OPENED + timedelta(days=2),
        EXPIRES - timedelta(hours=24),
    ]


@pytest.mark.parametrize(
    "pointless",
    [rule(Anchor.AFTER, days=7), rule(Anchor.AFTER, days=30), rule(Anchor.BEFORE_EXPIRY, days=7)],
    ids=["at the end", "after the end", "at the opening"],
)
def test_a_reminder_that_would_say_nothing_is_not_made(pointless):
    assert made(pointless) == []


def test_one_that_lies_in_the_past_is_not_made():
    late = OPENED + timedelta(days=3)

    assert made(rule(Anchor.AFTER, days=2), rule(Anchor.AFTER, days=4), now=late) == [
        OPENED + timedelta(days=4)
    ]


@given(
    st.lists(st.builds(rule, st.sampled_from(Anchor), minutes=st.integers(1, 15_000)), max_size=10),
    st.integers(0, 12_000),
)
def test_every_reminder_lies_ahead_and_before_the_end_of_the_link(rules, minutes):
    now = OPENED + timedelta(minutes=minutes)

    for at in made(*rules, now=now, quiet=NIGHT):
        assert now <= at < EXPIRES


def read(raw: object) -> tuple[tuple[Reminder, ...], list[str]]:
    problems: list[Problem] = []
    found = read_reminders(raw, problems)
    return found, [each.pointer for each in problems]


def test_reminders_are_read_as_people_write_them_and_told_in_one_way():
    found, problems = read([{"after": "48h"}, {"before_expiry": "1d12h"}, {"after": "90m"}])

    assert problems == []
    assert [(each.kind, each.text) for each in found] == [
        (ReminderKind.AFTER, "2d"),
        (ReminderKind.BEFORE_EXPIRY, "36h"),
        (ReminderKind.AFTER, "1h30m"),
    ]
    assert read([{each.kind.value: each.text} for each in found]) == (found, [])


@pytest.mark.parametrize(
    ("raw", "pointers"),
    [
        ("2d", ["/reminders"]),
        ({"after": "2d"}, ["/reminders"]),
        ([{"after": "1d"}] * 11, ["/reminders"]),
        ([{"after": "2d"}, {"after": "48h"}], ["/reminders/1"]),
        (
            [{"after": wrong} for wrong in ("", "2", "2w", "-2d", "30s", "367d", "500ms", 2, None)],
            [f"/reminders/{n}" for n in range(9)],
        ),
        (
            [{}, {"after": "1d", "before_expiry": "1d"}, {"before": "1d"}, "1d", None, 1, [1]],
            [f"/reminders/{n}" for n in range(7)],
        ),
    ],
    ids=["text", "one", "too many", "twice", "lengths", "shapes"],
)
def test_what_is_no_reminder_is_refused_by_its_place(raw, pointers):
    assert read(raw)[1] == pointers


@pytest.mark.parametrize(
    ("left", "en", "zh"),
    [
        ({"days": 7}, "7 days", "7 天"),
        ({"hours": 48}, "2 days", "2 天"),
        ({"days": 6, "hours": 23, "minutes": 55}, "7 days", "7 天"),
        ({"hours": 47, "minutes": 45}, "47 hours", "47 小时"),
        ({"minutes": 119}, "119 minutes", "119 分钟"),
        ({"seconds": 61}, "1 minute", "1 分钟"),
        ({"seconds": 1}, "1 minute", "1 分钟"),
    ],
)
def test_what_is_left_is_told_in_words(left, en, zh):
    assert (remaining_text(timedelta(**left), "en"), remaining_text(timedelta(**left), "zh")) == (en, zh)
