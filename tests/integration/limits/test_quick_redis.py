"""Nobody waits for a Redis that is not there."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from redis.asyncio import Redis

from qs.application.kernel.limiting import Limit, LocalLimiter
from qs.infra.redis.limiter import RedisLimiter
from qs.infra.redis.quick import QuickRedis, RedisAway
from tests.support.own_redis import OwnRedis
from tests.support.waiting import eventually

HUNDRED = Limit("reading", 100, 3_600_000)
PATIENCE_S = 1.0


@pytest.fixture
async def own_redis() -> AsyncIterator[OwnRedis]:
    server = OwnRedis()
    await server.start()
    yield server
    await server.close()


@pytest.fixture
async def quick(own_redis: OwnRedis) -> AsyncIterator[QuickRedis]:
    client = Redis.from_url(own_redis.url)
    quick = QuickRedis(lambda: client, PATIENCE_S)
    yield quick
    await quick.aclose()
    await client.aclose()


@pytest.fixture
def limiter(quick: QuickRedis) -> RedisLimiter:
    return RedisLimiter(quick, LocalLimiter(time.monotonic), processes=4)


async def allowed(limiter: RedisLimiter, times: int) -> int:
    verdicts = await asyncio.gather(*(limiter.spend("user:1", HUNDRED) for _ in range(times)))
    return sum(verdict.allowed for verdict in verdicts)


@contextmanager
def frozen(process_id: int) -> Iterator[None]:
    os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process_id, signal.SIGCONT)


async def test_without_redis_a_process_allows_its_share_and_asks_again_in_the_background(
    quick: QuickRedis, limiter: RedisLimiter, own_redis: OwnRedis
) -> None:
    assert await allowed(limiter, 10) == 10
    await own_redis.kill()

    assert await allowed(limiter, 60) == 25
    begun = time.monotonic()
    assert await allowed(limiter, 500) == 0
    assert (time.monotonic() - begun) / 500 < PATIENCE_S / 200

    await own_redis.start()
    await eventually(lambda: _answers(quick))
    assert await allowed(limiter, 150) == 100


async def _answers(quick: QuickRedis) -> bool:
    return not quick.is_away


async def test_a_redis_that_hangs_is_waited_for_once(
    quick: QuickRedis, limiter: RedisLimiter, own_redis: OwnRedis
) -> None:
    assert await allowed(limiter, 1) == 1

    with frozen(own_redis.process_id):
        assert await allowed(limiter, 60) == 25
        assert quick.is_away
        begun = time.monotonic()
        assert await allowed(limiter, 500) == 0
        assert (time.monotonic() - begun) / 500 < PATIENCE_S / 200

    await eventually(lambda: _answers(quick))


async def test_a_process_that_is_late_itself_does_not_take_redis_for_away(
    quick: QuickRedis, limiter: RedisLimiter
) -> None:
    await limiter.spend("user:1", HUNDRED)
    asked = asyncio.create_task(limiter.spend("user:1", HUNDRED))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    time.sleep(3 * PATIENCE_S)  # noqa: ASYNC251 - the event loop is kept busy

    assert (await asked).remaining == 98
    assert not quick.is_away


async def test_what_is_no_failure_of_redis_is_raised(quick: QuickRedis) -> None:
    async def wrong() -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        await quick.call(wrong)
    assert not quick.is_away


async def test_a_call_that_fails_makes_the_next_ones_fail_unasked(quick: QuickRedis) -> None:
    asked = []

    async def fails() -> None:
        asked.append(1)
        raise ConnectionResetError

    for _ in range(3):
        with pytest.raises(RedisAway):
            await quick.call(fails)

    assert asked == [1]
