"""Wrong passwords wait, and nobody is locked out."""

import pytest

from qs.application.identity.pacing import (
    FORGOTTEN_AFTER_S,
    FREE_TRIES,
    LONGEST_QUEUE_S,
    LONGEST_STEP_S,
    AttemptPacing,
)
from qs.domain.identity.errors import TooManyAttempts

KEY = ("alice", "203.0.113.7")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pacing(clock: Clock) -> AttemptPacing:
    return AttemptPacing(clock, capacity=100)


def fail(pacing: AttemptPacing, clock: Clock, times: int, key: object = KEY) -> list[float]:
    waits = []
    for _ in range(times):
        waits.append(pacing.reserve(key))
        clock.now += waits[-1]
    return waits


def test_the_first_wrong_passwords_cost_nothing(pacing: AttemptPacing, clock: Clock):
    assert fail(pacing, clock, FREE_TRIES) == [0.0] * FREE_TRIES


def test_each_further_failure_waits_longer_up_to_a_bound(pacing: AttemptPacing, clock: Clock):
    waits = fail(pacing, clock, 20)

    assert waits == sorted(waits)
    assert waits[FREE_TRIES] > 0
    assert waits[-1] == LONGEST_STEP_S


def test_a_thousand_failures_still_do_not_lock_out(pacing: AttemptPacing, clock: Clock):
    fail(pacing, clock, 1000)

    assert pacing.reserve(KEY) <= LONGEST_STEP_S


def test_somebody_who_waits_of_their_own_accord_is_not_kept_waiting(pacing: AttemptPacing, clock: Clock):
    fail(pacing, clock, 10)
    clock.now += LONGEST_STEP_S

    assert pacing.reserve(KEY) == 0.0


def test_tries_sent_at_once_queue_until_the_queue_is_full(pacing: AttemptPacing):
    waits: list[float] = []
    with pytest.raises(TooManyAttempts) as caught:
        fill(pacing, waits)

    assert len(waits) < 12
    assert waits == sorted(waits)
    assert waits[-1] <= LONGEST_QUEUE_S < caught.value.retry_after <= LONGEST_QUEUE_S + LONGEST_STEP_S


def test_a_full_queue_empties_as_time_passes(pacing: AttemptPacing, clock: Clock):
    with pytest.raises(TooManyAttempts) as caught:
        fill(pacing, [])
    clock.now += caught.value.retry_after

    assert pacing.reserve(KEY) <= LONGEST_STEP_S


def test_success_wipes_the_slate(pacing: AttemptPacing, clock: Clock):
    fail(pacing, clock, 10)

    pacing.succeeded(KEY)

    assert fail(pacing, clock, FREE_TRIES) == [0.0] * FREE_TRIES


@pytest.mark.parametrize("other", [("alice", "198.51.100.1"), ("bob", "203.0.113.7")])
def test_another_address_and_another_user_wait_for_nobody(pacing: AttemptPacing, clock: Clock, other: object):
    fail(pacing, clock, 10)

    assert pacing.reserve(other) == 0.0


def test_old_failures_are_forgotten(pacing: AttemptPacing, clock: Clock):
    fail(pacing, clock, 10)
    clock.now += FORGOTTEN_AFTER_S + 1

    assert fail(pacing, clock, FREE_TRIES) == [0.0] * FREE_TRIES


def test_no_more_keys_are_remembered_than_there_is_room_for(clock: Clock):
    pacing = AttemptPacing(clock, capacity=3)
    fail(pacing, clock, 10, key="first")
    for key in ("second", "third", "fourth"):
        pacing.reserve(key)

    assert pacing.reserve("first") == 0.0


def fill(pacing: AttemptPacing, waits: list[float]) -> None:
    while True:
        waits.append(pacing.reserve(KEY))
