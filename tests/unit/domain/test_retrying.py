"""When a failed delivery is tried again."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from qs.domain.notification.retrying import RetryPolicy

POLICY = RetryPolicy(6, timedelta(seconds=5), timedelta(seconds=60))


def test_delays_double_up_to_the_longest_and_end_with_the_last_attempt():
    delays = [POLICY.delay(attempt, 0.0) for attempt in range(1, 7)]

    assert [delay and delay.total_seconds() for delay in delays] == [5, 10, 20, 40, 60, None]


def test_a_receiver_may_ask_for_more_patience_but_not_for_ever():
    assert POLICY.delay(1, 1.0, timedelta(seconds=30)) == timedelta(seconds=30)
    assert POLICY.delay(1, 0.0, timedelta(seconds=1)) == timedelta(seconds=5)
    assert POLICY.delay(1, 0.0, timedelta(days=30)) == timedelta(seconds=60)


@given(st.integers(1, 5), st.floats(0, 1))
def test_jitter_takes_half_away_at_most(attempt, jitter):
    full, delay = POLICY.delay(attempt, 0.0), POLICY.delay(attempt, jitter)

    assert full is not None
    assert delay is not None
    assert full / 2 <= delay <= full
