"""When a duty's clock is late."""

from datetime import UTC, datetime, timedelta

from qs.domain.scheduler.duty import DailyAt, Duty, Every
from qs.domain.scheduler.duty_trouble import LATE_AFTER, lateness

NOON = datetime(2026, 3, 9, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BEFORE = NOON - timedelta(days=1)
SWEEP = Duty("sweep", Every(MINUTE))


def test_a_duty_that_is_fired_is_not_late():
    assert lateness(SWEEP, NOON, BEFORE, NOON + MINUTE) is None
    assert lateness(SWEEP, NOON, BEFORE, NOON + MINUTE + LATE_AFTER - timedelta(seconds=1)) is None


def test_a_duty_is_late_when_nobody_fired_its_slot_and_every_further_slot_is_news():
    first = lateness(SWEEP, NOON, BEFORE, NOON + MINUTE + LATE_AFTER)
    second = lateness(SWEEP, NOON, BEFORE, NOON + 2 * MINUTE + LATE_AFTER)

    assert first is not None
    assert second is not None
    assert first.late_since == NOON + MINUTE
    assert (first.count, second.count) == (6, 7)
    assert first.cause != second.cause


def test_a_daily_duty_is_late_minutes_after_its_time_and_not_a_day():
    expiry = Duty("expiry", DailyAt(datetime(2026, 1, 1, 0, 30).time(), "Asia/Shanghai"))  # noqa: DTZ001
    slot = expiry.latest_slot(NOON)
    tomorrow = expiry.next_slot(slot)

    assert lateness(expiry, slot, BEFORE, tomorrow + LATE_AFTER - MINUTE) is None
    late = lateness(expiry, slot, BEFORE, tomorrow + LATE_AFTER)
    assert late is not None
    assert late.count == 1


def test_a_duty_that_never_ran_has_no_past_to_be_late_in():
    assert lateness(SWEEP, None, BEFORE, NOON) is None


def test_what_passed_while_firing_was_stopped_or_nobody_looked_is_not_late():
    restarted = NOON + timedelta(hours=3)

    assert lateness(SWEEP, NOON, restarted, restarted + MINUTE) is None
    assert lateness(SWEEP, NOON, restarted, restarted + LATE_AFTER) is not None
