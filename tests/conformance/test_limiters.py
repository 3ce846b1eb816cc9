"""A limit of N in a period holds in every stretch of that length, whoever counts the calls."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from qs.application.kernel.limiting import SLOTS, Limit, Limiter, LocalLimiter, parse_limit
from qs.infra.redis.limiter import RedisLimiter
from qs.infra.redis.quick import QuickRedis

ALICE, BOB = "user:alice", "user:bob"
TEN = Limit("reading", 10, 10_000)


class Clock:
    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def monotonic(self) -> float:
        # What is halfway between two milliseconds is rounded to neither of their neighbours.
        return (self.ms + 0.5) / 1000

    def now_ms(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def quick(redis: Redis) -> AsyncIterator[QuickRedis]:
    quick = QuickRedis(lambda: redis, 10.0)
    yield quick
    await quick.aclose()


@pytest.fixture(params=["one process", "all processes"])
def limiter(request: pytest.FixtureRequest, clock: Clock, quick: QuickRedis) -> Limiter:
    local = LocalLimiter(clock.monotonic)
    if request.param == "one process":
        return local
    return RedisLimiter(quick, local, processes=4, clock_ms=clock.now_ms)


async def spend(limiter: Limiter, times: int, subject: str = ALICE, limit: Limit = TEN) -> int:
    verdicts = [await limiter.spend(subject, limit) for _ in range(times)]
    return sum(verdict.allowed for verdict in verdicts)


async def test_as_many_as_the_limit_says_are_allowed_at_once_and_told_how_many_are_left(limiter: Limiter):
    verdicts = [await limiter.spend(ALICE, TEN) for _ in range(12)]

    assert [verdict.allowed for verdict in verdicts] == [True] * 10 + [False] * 2
    assert [verdict.remaining for verdict in verdicts] == [*range(9, -1, -1), 0, 0]


async def test_others_and_calls_of_another_kind_are_counted_by_themselves(limiter: Limiter):
    await spend(limiter, 12)

    assert await spend(limiter, 1, BOB) == 1
    assert await spend(limiter, 1, limit=Limit("writing", 10, 10_000)) == 1


async def test_a_refusal_says_exactly_how_long_to_wait(limiter: Limiter, clock: Clock):
    clock.ms += 321
    await spend(limiter, 10)
    wait_ms = (await limiter.spend(ALICE, TEN)).wait_ms

    assert TEN.period_ms <= wait_ms <= TEN.period_ms + TEN.slot_ms
    clock.ms += wait_ms - 1
    assert await spend(limiter, 1) == 0
    clock.ms += 1
    assert await spend(limiter, 11) == 10


async def test_what_was_spent_comes_back_slot_by_slot(limiter: Limiter, clock: Clock):
    for _ in range(5):
        await spend(limiter, 2)
        clock.ms += TEN.slot_ms
    back = []
    for _ in range(SLOTS - 4):
        back.append(await spend(limiter, 12))
        clock.ms += TEN.slot_ms

    assert back == [0] * (SLOTS - 4)
    assert [await spend(limiter, 12) for _ in range(2)] == [2, 0]


@pytest.mark.parametrize("seed", range(3))
async def test_no_stretch_of_the_period_holds_more_and_nobody_waits_longer_than_a_slot_for_nothing(
    limiter: Limiter, clock: Clock, seed: int
):
    chance = random.Random(seed)
    limit = Limit("reading", 7, 1_000)
    allowed: list[int] = []
    for _ in range(400):
        clock.ms += chance.choice((0, 0, 1, 5, 40, 99, 100, 350))
        spent = [at for at in allowed if at > clock.ms - limit.period_ms - limit.slot_ms]
        if (await limiter.spend(ALICE, limit)).allowed:
            allowed.append(clock.ms)
        else:
            assert len(spent) >= limit.calls, f"seed {seed}: refused for nothing at {clock.ms}"

    pairs = zip(allowed, allowed[limit.calls :], strict=False)
    assert len(allowed) > 50
    assert all(later - earlier > limit.period_ms for earlier, later in pairs), f"seed {seed}"


@pytest.mark.parametrize("jump_ms", [-86_400_000, -3_600_000, -500, 3_600_000])
async def test_a_clock_that_jumps_gives_one_limit_more_at_most_and_locks_nobody_out(
    limiter: Limiter, clock: Clock, jump_ms: int
):
    await spend(limiter, 12)
    clock.ms += jump_ms

    assert await spend(limiter, 25) <= 10
    clock.ms += TEN.period_ms + 2 * TEN.slot_ms
    assert await spend(limiter, 25) == 10


async def test_a_limit_that_was_lowered_holds_at_once(limiter: Limiter):
    await spend(limiter, 8)

    assert await spend(limiter, 3, limit=Limit("reading", 5, 10_000)) == 0


async def test_of_a_thousand_at_once_exactly_as_many_come_in_as_may(quick: QuickRedis):
    limiters = [RedisLimiter(quick, LocalLimiter(lambda: 0.0), processes=4) for _ in range(4)]
    limit = Limit("reading", 300, 3_600_000)

    verdicts = await asyncio.gather(*(limiters[n % 4].spend(ALICE, limit) for n in range(1000)))

    assert sum(verdict.allowed for verdict in verdicts) == 300
    assert sorted(verdict.remaining for verdict in verdicts if verdict.allowed) == list(range(300))


async def test_nothing_is_left_in_redis_once_it_does_not_count_any_more(quick: QuickRedis, redis: Redis):
    await RedisLimiter(quick, LocalLimiter(lambda: 0.0), processes=1).spend(ALICE, TEN)

    (key,) = [key async for key in redis.scan_iter()]
    assert 0 < await redis.pttl(key) <= TEN.period_ms + TEN.slot_ms


async def test_one_process_remembers_no_more_subjects_than_it_has_room_for(clock: Clock):
    limiter = LocalLimiter(clock.monotonic, capacity=2)
    await spend(limiter, 10, "first")
    for subject in ("second", "third"):
        await limiter.spend(subject, TEN)

    assert await spend(limiter, 1, "first") == 1


@pytest.mark.parametrize(
    ("text", "limit"),
    [("0", None), ("600/1m", Limit("x", 600, 60_000)), ("1/24h", Limit("x", 1, 86_400_000))],
)
def test_a_limit_is_read(text: str, limit: Limit | None):
    assert parse_limit("x", text) == limit


@pytest.mark.parametrize(
    "text", ["", "600", "600/", "/1m", "0/1m", "-1/1m", "600/0s", "600/25h", "6e2/1m", "600/m"]
)
def test_anything_else_is_no_limit(text: str):
    with pytest.raises(ValueError, match=r"is no limit|is no duration"):
        parse_limit("x", text)
