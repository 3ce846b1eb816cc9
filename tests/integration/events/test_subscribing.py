"""Stream to effect: exactly once each, whatever comes twice, fails, hangs or kills."""

import asyncio
from collections.abc import Collection
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from qs.application.kernel.streams import StreamsUnavailable
from qs.application.kernel.subscriptions import StreamEntry
from qs.domain.kernel.errors import Refused
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.postgres.failures import is_away
from qs.infra.redis.client import create_redis
from qs.infra.redis.stream_reader import RedisStreamReader
from tests.support.events import (
    OTHER_TENANT,
    STREAM,
    SUBSCRIPTION,
    Background,
    Counting,
    in_stream,
    make_publishing,
    make_republishing,
    make_streams,
    make_subscribing,
    publish_all,
    record,
    record_opened,
    task_opened,
)
from tests.support.waiting import eventually

SOON = timedelta(milliseconds=20)
AT_ONCE = timedelta(0)


async def follow_all(subscribing) -> None:
    # The first reading of a new group only makes it.
    await subscribing.follow(SOON)
    while await subscribing.follow(SOON):
        pass


async def retry_until(subscribing, done) -> None:
    async def check():
        await subscribing.retry()
        return await done()

    await eventually(check)


async def test_each_event_has_one_effect_and_is_acknowledged(engine, redis, effects):
    await record_opened(engine, 1200)
    await publish_all(engine, redis)

    await follow_all(make_subscribing(engine, redis))

    assert await effects() == (1200, 1200)
    assert (await redis.xpending(STREAM, SUBSCRIPTION.subscriber))["pending"] == 0


async def test_events_of_another_name_are_acknowledged_and_left_alone(engine, redis, truth, effects):
    await record_opened(engine, 2)
    await truth.execute(
        "UPDATE outbox SET name = 'TaskExpired' WHERE ordinal = (SELECT min(ordinal) FROM outbox)"
    )
    await publish_all(engine, redis)

    await follow_all(make_subscribing(engine, redis))

    assert await effects() == (1, 1)
    assert await truth.fetchval("SELECT count(*) FROM inbox") == 1
    assert (await redis.xpending(STREAM, SUBSCRIPTION.subscriber))["pending"] == 0


async def test_a_lost_acknowledgement_does_not_repeat_the_effect(engine, redis, effects, truth):
    await record_opened(engine, 10)
    await publish_all(engine, redis)
    first = make_subscribing(engine, redis, reader=Deaf(redis, SUBSCRIPTION))
    await first.follow(SOON)
    with pytest.raises(StreamsUnavailable):
        await first.follow(SOON)
    second = make_subscribing(engine, redis)

    assert await second.adopt(AT_ONCE) == 10
    await second.retry()

    assert await effects() == (10, 10)
    assert await truth.fetchval("SELECT count(*) FROM inbox_attempt") == 0
    assert (await redis.xpending(STREAM, SUBSCRIPTION.subscriber))["pending"] == 0


async def test_an_event_published_many_times_has_one_effect(engine, redis, effects):
    await record_opened(engine, 50)
    await publish_all(engine, redis)
    streams = make_streams(redis)
    for _ in range(3):
        await redis.delete("qs:events:vouched")
        await make_republishing(engine, streams).heal()
    assert len(await in_stream(redis)) == 200
    one, two = make_subscribing(engine, redis, batch=17), make_subscribing(engine, redis, batch=13)

    steps = (partial(one.follow, SOON), one.retry, partial(two.follow, SOON), two.retry)
    async with Background(*steps):
        await eventually(lambda: _reached(effects, 50))
        await eventually(lambda: _nothing_pending(redis))

    assert await effects() == (50, 50)


async def test_entries_the_outbox_does_not_have_are_ignored(engine, redis, truth, effects):
    await record_opened(engine, 1)
    await publish_all(engine, redis)
    [(_, genuine)] = await redis.xrange(STREAM)
    stranger = msgspec.json.decode(genuine[b"event"]) | {"id": str(uuid4())}
    moved = msgspec.json.decode(genuine[b"event"]) | {"source": f"/tenants/{OTHER_TENANT}/plan"}
    for event in (b"no json", b"{}", msgspec.json.encode(stranger), msgspec.json.encode(moved)):
        await redis.xadd(STREAM, {b"name": b"TaskOpened", b"event": event})
    await redis.xadd(STREAM, {b"something": b"else"})

    await follow_all(make_subscribing(engine, redis))

    assert await effects() == (1, 1)
    assert await truth.fetchval("SELECT count(*) FROM inbox_attempt") == 0
    assert (await redis.xpending(STREAM, SUBSCRIPTION.subscriber))["pending"] == 0


async def test_one_poison_event_ends_as_a_dead_letter_and_the_others_flow(engine, redis, truth, effects):
    await record_opened(engine, 20)
    await publish_all(engine, redis)
    poison = await truth.fetchval("SELECT id FROM outbox WHERE position = 7")
    attempts = 0

    async def fail_on_poison(event):
        nonlocal attempts
        if event.id == poison:
            attempts += 1
            raise NotToday

    subscribing = make_subscribing(engine, redis, Counting(fail_on_poison))
    await follow_all(subscribing)
    assert await effects() == (0, 0)
    await retry_until(subscribing, lambda: truth.fetchval("SELECT count(*) FROM inbox WHERE state = 'dead'"))

    assert await effects() == (19, 19)
    dead = await truth.fetchrow("SELECT event_id, error FROM inbox WHERE state = 'dead'")
    assert dead["event_id"] == poison
    assert dead["error"].startswith("test.not_today: ")
    assert attempts == 1 + 5
    assert await truth.fetchval("SELECT count(*) FROM inbox_attempt") == 0


async def test_what_an_unplanned_error_says_is_not_stored(engine, redis, truth):
    async def leak(event):
        raise ValueError("anna@example.org")

    await record_opened(engine, 1)
    await publish_all(engine, redis)
    subscribing = make_subscribing(engine, redis, Counting(leak), max_attempts=1)
    await follow_all(subscribing)
    await retry_until(subscribing, lambda: truth.fetchval("SELECT count(*) FROM inbox WHERE state = 'dead'"))

    error = await truth.fetchval("SELECT error FROM inbox")
    assert error.startswith("ValueError at leak:")
    assert "anna" not in error


async def test_a_handler_that_hangs_is_given_up_and_holds_nobody_up(engine, redis, truth, effects):
    await record_opened(engine, 3)
    await publish_all(engine, redis)
    slow = await truth.fetchval("SELECT id FROM outbox WHERE position = 2")

    async def hang(event):
        if event.id == slow:
            await asyncio.sleep(3600)

    subscribing = make_subscribing(
        engine, redis, Counting(hang), max_attempts=2, handling_limit=timedelta(seconds=2)
    )
    await follow_all(subscribing)
    await retry_until(subscribing, lambda: truth.fetchval("SELECT count(*) FROM inbox WHERE state = 'dead'"))

    assert await effects() == (2, 2)
    assert (await truth.fetchval("SELECT error FROM inbox WHERE state = 'dead'")).startswith("TimeoutError")


async def test_a_handler_that_hangs_in_the_database_is_given_up_as_well(engine, redis, truth, effects):
    await record_opened(engine, 3)
    await publish_all(engine, redis)
    slow = await truth.fetchval("SELECT id FROM outbox WHERE position = 2")

    async def hang(event):
        if event.id == slow:
            async with engine.connect() as connection:
                await connection.execute(text("SELECT pg_sleep(3600)"))

    subscribing = make_subscribing(
        engine, redis, Counting(hang), max_attempts=2, handling_limit=timedelta(seconds=2), is_away=is_away
    )
    await follow_all(subscribing)
    await retry_until(subscribing, lambda: truth.fetchval("SELECT count(*) FROM inbox WHERE state = 'dead'"))

    assert await effects() == (2, 2)


async def test_an_event_that_fails_once_is_tried_again_later(engine, redis, effects):
    failures = 2

    async def fail_at_first(event):
        nonlocal failures
        if failures:
            failures -= 1
            raise NotToday

    await record_opened(engine, 5)
    await publish_all(engine, redis)
    subscribing = make_subscribing(engine, redis, Counting(fail_at_first))
    await follow_all(subscribing)

    await retry_until(subscribing, lambda: _reached(effects, 5))
    assert await effects() == (5, 5)


async def test_a_lost_stream_is_published_again_when_it_is_overdue(engine, redis, effects):
    await record_opened(engine, 30)
    await publish_all(engine, redis)
    streams = make_streams(redis)
    await redis.delete(STREAM)
    impatient = make_republishing(engine, streams, after_s=0)

    assert await make_republishing(engine, streams, after_s=60).republish_overdue() == 0
    assert await impatient.republish_overdue() == 30
    subscribing = make_subscribing(engine, redis)
    await follow_all(subscribing)
    await subscribing.retry()

    assert await effects() == (30, 30)
    assert await impatient.republish_overdue() == 0


async def test_the_acknowledged_prefix_is_remembered(engine, redis, truth):
    await record_opened(engine, 30)
    await publish_all(engine, redis)
    subscribing = make_subscribing(engine, redis, batch=12)
    await subscribing.follow(SOON)
    await subscribing.follow(SOON)

    await make_republishing(engine, make_streams(redis)).republish_overdue()
    assert await truth.fetchval("SELECT acknowledged_through FROM subscriber_cursor") == 12

    await follow_all(subscribing)
    await make_republishing(engine, make_streams(redis)).republish_overdue()
    assert await truth.fetchval("SELECT acknowledged_through FROM subscriber_cursor") == 30


async def test_each_republication_waits_twice_as_long(engine, redis, truth):
    await record_opened(engine, 1)
    await publish_all(engine, redis)
    republishing = make_republishing(engine, make_streams(redis), after_s=100)

    async def aged(seconds: int) -> int:
        await truth.execute(
            "UPDATE outbox SET published_at = clock_timestamp() - $1::interval,"
            " republished_at = CASE WHEN publications > 1 THEN clock_timestamp() - $1::interval END",
            timedelta(seconds=seconds),
        )
        return await republishing.republish_overdue()

    assert [await aged(seconds) for seconds in (90, 110, 190, 210, 390)] == [0, 1, 0, 1, 0]


async def test_losing_all_of_redis_in_traffic_heals_within_five_seconds(engine, redis, truth, effects):
    # Nothing gets overdue in this time: only noticing the loss can heal it.
    publishing, subscribing = make_publishing(engine, redis, after_s=600), make_subscribing(engine, redis)

    async def write() -> None:
        for _ in range(4):
            await record_opened(engine, 100)

    steps = (publishing.round, partial(subscribing.follow, SOON), subscribing.retry)
    async with Background(*steps):
        for _ in range(5):
            before = await effects()
            writing = asyncio.create_task(write())
            await eventually(partial(_more, effects, before))
            await redis.flushall()
            await writing
        await redis.flushall()
        await eventually(lambda: _reached(effects, 2000))

    assert await effects() == (2000, 2000)
    assert await truth.fetchval("SELECT count(*) FROM inbox") == 2000


async def test_redis_being_away_raises_and_loses_nothing(engine, redis, effects, tmp_path):
    away = make_subscribing(engine, create_redis(f"unix://{tmp_path}/nobody.sock"))
    await record_opened(engine, 1)

    with pytest.raises(StreamsUnavailable):
        await away.follow(SOON)

    await publish_all(engine, redis)
    await follow_all(make_subscribing(engine, redis))
    assert await effects() == (1, 1)


async def test_tenants_are_handled_apart(engine, redis, truth, effects):
    await truth.execute(
        "INSERT INTO tenant (id, slug, name, timezone) VALUES ($1, 'other', 'Other', 'UTC')", OTHER_TENANT
    )
    seen = set()

    async def fail_for_other(event):
        seen.add(event.tenant_id)
        if event.tenant_id == OTHER_TENANT:
            raise NotToday

    await record(engine, [task_opened() for _ in range(4)])
    await record(engine, [task_opened(tenant_id=OTHER_TENANT) for _ in range(3)])
    await publish_all(engine, redis)

    await follow_all(make_subscribing(engine, redis, Counting(fail_for_other)))

    assert seen == {DEFAULT_TENANT, OTHER_TENANT}
    assert await effects() == (4, 4)
    rows = await truth.fetch("SELECT DISTINCT tenant_id FROM inbox_attempt")
    assert [row["tenant_id"] for row in rows] == [OTHER_TENANT]


class Deaf(RedisStreamReader):
    """A reader whose acknowledgements never arrive."""

    async def acknowledge(self, entries: Collection[StreamEntry]) -> None:
        raise StreamsUnavailable


class NotToday(Refused):
    code = "test.not_today"
    sentence = "the handler does not want this event; nothing can be done"


async def _reached(effects: Any, count: int) -> Any:
    return (await effects())[1] == count


async def _more(effects: Any, before: tuple[int, int]) -> Any:
    return (await effects())[1] > before[1]


async def _nothing_pending(redis: Redis) -> Any:
    summary = await redis.xpending(STREAM, SUBSCRIPTION.subscriber)
    [group] = await redis.xinfo_groups(STREAM)
    return summary["pending"] == 0 and group["lag"] == 0
