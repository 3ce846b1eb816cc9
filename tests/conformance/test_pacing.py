"""Wrong passwords wait, and nobody is locked out; whoever keeps the turns."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from qs.application.identity.pacing import (
    FORGOTTEN_AFTER_S,
    FREE_TRIES,
    LONGEST_QUEUE_S,
    LONGEST_STEP_S,
    Attempt,
    AttemptPacing,
    Pacing,
)
from qs.domain.identity.errors import TooManyAttempts
from qs.infra.auth.keys import Keyring
from qs.infra.auth.secrets import KeyedSecrets
from qs.infra.identity.pacing import RedisPacing
from qs.infra.redis.quick import QuickRedis
from tests.support.settings import SECRET_KEY

ALICE = ("alice", "203.0.113.7")


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now

    def ms(self) -> int:
        return round(self.now * 1000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def quick_redis(redis_url: str) -> AsyncIterator[QuickRedis]:
    client = Redis.from_url(redis_url)
    quick = QuickRedis(lambda: client, 10.0)
    yield quick
    await quick.aclose()
    await client.aclose()


def over_redis(quick_redis: QuickRedis, clock: Clock) -> RedisPacing:
    secrets = KeyedSecrets(Keyring.parse(SECRET_KEY), "login_attempt")
    return RedisPacing(quick_redis, AttemptPacing(clock), secrets, clock_ms=clock.ms)


@pytest.fixture(params=["one process", "all processes"])
def pacing(request: pytest.FixtureRequest, clock: Clock, quick_redis: QuickRedis) -> Pacing:
    return AttemptPacing(clock) if request.param == "one process" else over_redis(quick_redis, clock)


async def fail(pacing: Pacing, clock: Clock, times: int, attempt: Attempt = ALICE) -> list[float]:
    waits = []
    for _ in range(times):
        waits.append(await pacing.reserve(attempt))
        clock.now += waits[-1]
    return waits


async def test_the_first_wrong_passwords_cost_nothing(pacing: Pacing, clock: Clock):
    assert await fail(pacing, clock, FREE_TRIES) == [0.0] * FREE_TRIES


async def test_each_further_failure_waits_longer_up_to_a_bound(pacing: Pacing, clock: Clock):
    waits = await fail(pacing, clock, 20)

    assert waits == sorted(waits)
    assert waits[FREE_TRIES] > 0
    assert waits[-1] == LONGEST_STEP_S


async def test_hundreds_of_failures_still_do_not_lock_out(pacing: Pacing, clock: Clock):
    await fail(pacing, clock, 300)

    assert await pacing.reserve(ALICE) <= LONGEST_STEP_S


async def test_somebody_who_waits_of_their_own_accord_is_not_kept_waiting(pacing: Pacing, clock: Clock):
    await fail(pacing, clock, 10)
    clock.now += LONGEST_STEP_S

    assert await pacing.reserve(ALICE) == 0.0


async def test_tries_sent_at_once_queue_until_the_queue_is_full(pacing: Pacing):
    waits: list[float] = []
    with pytest.raises(TooManyAttempts) as caught:
        await fill(pacing, waits)

    assert len(waits) < 12
    assert waits == sorted(waits)
    assert waits[-1] <= LONGEST_QUEUE_S < caught.value.retry_after <= LONGEST_QUEUE_S + LONGEST_STEP_S


async def test_a_full_queue_empties_as_time_passes(pacing: Pacing, clock: Clock):
    with pytest.raises(TooManyAttempts) as caught:
        await fill(pacing, [])
    clock.now += caught.value.retry_after

    assert await pacing.reserve(ALICE) <= LONGEST_STEP_S


async def test_success_wipes_the_slate(pacing: Pacing, clock: Clock):
    await fail(pacing, clock, 10)

    await pacing.succeeded(ALICE)

    assert await fail(pacing, clock, FREE_TRIES) == [0.0] * FREE_TRIES


@pytest.mark.parametrize("other", [("alice", "198.51.100.1"), ("bob", "203.0.113.7")])
async def test_another_address_and_another_user_wait_for_nobody(pacing: Pacing, clock: Clock, other: Attempt):
    await fail(pacing, clock, 10)

    assert await pacing.reserve(other) == 0.0


async def test_old_failures_are_forgotten(pacing: Pacing, clock: Clock):
    await fail(pacing, clock, 10)
    clock.now += FORGOTTEN_AFTER_S + 1

    assert await fail(pacing, clock, FREE_TRIES) == [0.0] * FREE_TRIES


async def test_no_more_attempts_are_remembered_than_there_is_room_for(clock: Clock):
    pacing = AttemptPacing(clock, capacity=3)
    await fail(pacing, clock, 10, ("first", ""))
    for name in ("second", "third", "fourth"):
        await pacing.reserve((name, ""))

    assert await pacing.reserve(("first", "")) == 0.0


async def test_a_try_in_one_process_makes_those_in_another_wait(quick_redis: QuickRedis, clock: Clock):
    here, there = over_redis(quick_redis, clock), over_redis(quick_redis, clock)
    for _ in range(FREE_TRIES):
        await here.reserve(ALICE)

    assert await there.reserve(ALICE) > 0


async def test_a_clock_that_is_put_back_keeps_nobody_waiting(quick_redis: QuickRedis, clock: Clock):
    pacing = over_redis(quick_redis, clock)
    await fail(pacing, clock, 10)
    clock.now -= 3600

    assert await pacing.reserve(ALICE) == 0.0


async def test_what_was_typed_for_a_user_name_is_not_to_be_read_in_redis(
    quick_redis: QuickRedis, clock: Clock
):
    await over_redis(quick_redis, clock).reserve(("hunter2", "203.0.113.7"))

    keys = [key async for key in quick_redis.client.scan_iter()]
    assert len(keys) == 1
    assert b"hunter2" not in keys[0]


async def fill(pacing: Pacing, waits: list[float]) -> None:
    while True:
        waits.append(await pacing.reserve(ALICE))
