"""Outbox to stream: positions are final, in order, and nothing between the two is lost."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from cloudevents.core.formats.json import JSONFormat
from redis.asyncio import Redis
from sqlalchemy import text

from qs.application.kernel.feed import EventFeed
from qs.application.kernel.relaying import Relay
from qs.application.kernel.streams import Envelope, Envelopes, StreamsUnavailable
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.postgres.event_log import SqlEventLogUnitOfWork
from qs.infra.postgres.outbox_relay import SqlRelayOutbox
from qs.infra.postgres.unit_of_work import SqlUnitOfWork
from qs.infra.redis.client import create_redis
from qs.infra.redis.streams import RedisEventStreams
from tests.support.events import (
    OTHER_TENANT,
    STREAM,
    in_stream,
    make_relay,
    make_streams,
    publish_all,
    record,
    record_opened,
    task_opened,
)


class FailingOnce(RedisEventStreams):
    """A stream that fails at its first publication, before or after it reached Redis."""

    def __init__(self, redis: Redis, *, after_sending: bool) -> None:
        super().__init__(redis, keep_hours=24)
        self._after_sending = after_sending
        self._failed = False

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        if self._failed or self._after_sending:
            await super().publish(envelopes)
        if not self._failed:
            self._failed = True
            raise RuntimeError("the process died here")


def make_feed(engine) -> EventFeed:
    unit_of_work: Any = partial(SqlEventLogUnitOfWork, engine)
    return EventFeed(unit_of_work)


async def test_a_recorded_event_reaches_the_stream_as_a_cloud_event(engine, redis):
    event = task_opened()
    await record(engine, [event])

    await publish_all(engine, redis)

    [(_, fields)] = await redis.xrange(STREAM)
    assert set(fields) == {b"name", b"event"}
    assert fields[b"name"] == b"TaskOpened"
    cloud_event = JSONFormat().read(None, fields[b"event"])
    attributes = cloud_event.get_attributes()
    assert attributes["source"] == f"/tenants/{DEFAULT_TENANT}/plan"
    assert attributes["type"] == "qs.plan.task_opened.v1"
    assert attributes["subject"] == f"tasks/{event.subject_id}"
    assert attributes["time"] == event.occurred_at
    assert attributes["partitionkey"] == str(event.partition_key)
    assert attributes["sequence"] == f"{1:020d}"
    data: Any = cloud_event.get_data()
    assert data["task_id"] == str(event.subject_id)
    assert data["opened_at"] == "2026-03-02T11:00:00Z"
    assert data["expires_at"] == "2026-03-09T11:00:00Z"
    assert "entry_url" not in data


async def test_streams_carry_events_in_the_order_they_were_recorded(engine, redis):
    enrollment_id = uuid4()
    await record(engine, [task_opened(seq, enrollment_id) for seq in range(1, 31)])

    relay = make_relay(engine, make_streams(redis), batch=7)
    while await relay.cycle():
        pass

    events = await in_stream(redis)
    assert [event["data"]["seq"] for event in events] == list(range(1, 31))
    assert [event["sequence"] for event in events] == [f"{n:020d}" for n in range(1, 31)]


async def test_one_event_takes_two_cycles_in_one_go(engine, redis):
    await record_opened(engine, 1)
    relay = make_relay(engine, make_streams(redis))

    assert [await relay.cycle() for _ in range(3)] == [True, True, False]

    assert await redis.xlen(STREAM) == 1


async def test_two_relays_at_once_publish_each_event_once_and_in_order(engine, redis):
    relays = [make_relay(engine, make_streams(redis), batch=20) for _ in range(2)]

    async def work(relay: Relay):
        while await redis.xlen(STREAM) < 2000:
            await relay.cycle()

    async def write() -> None:
        for _ in range(20):
            await record_opened(engine, 100)

    await asyncio.gather(write(), *(work(relay) for relay in relays))

    events = await in_stream(redis)
    assert [event["sequence"] for event in events] == [f"{n:020d}" for n in range(1, 2001)]
    assert len({event["id"] for event in events}) == 2000


@pytest.mark.parametrize("after_sending", [False, True])
async def test_a_crash_between_position_and_stream_keeps_ids_and_positions(engine, redis, after_sending):
    await record_opened(engine, 5)
    dying = Relay(SqlRelayOutbox(engine), FailingOnce(redis, after_sending=after_sending), Envelopes())
    await dying.cycle()
    page = await make_feed(engine).read(DEFAULT_TENANT)
    with pytest.raises(RuntimeError):
        await dying.cycle()

    await publish_all(engine, redis)

    found = [(event["id"], int(event["sequence"])) for event in await in_stream(redis)]
    expected = [(str(event.id), event.position) for event in page.events]
    assert len(expected) == 5
    assert found == (expected * 2 if after_sending else expected)


async def test_while_redis_is_away_the_feed_goes_on_and_the_stream_follows_later(engine, redis, tmp_path):
    away = create_redis(f"unix://{tmp_path}/nobody.sock")
    relay = make_relay(engine, make_streams(away))
    await record_opened(engine, 3)

    assert await relay.cycle()
    with pytest.raises(StreamsUnavailable):
        await relay.cycle()
    await record_opened(engine, 2)
    with pytest.raises(StreamsUnavailable):
        await relay.cycle()

    assert len((await make_feed(engine).read(DEFAULT_TENANT)).events) == 5
    await publish_all(engine, redis)
    assert [int(event["sequence"]) for event in await in_stream(redis)] == [1, 2, 3, 4, 5]


async def test_a_late_commit_is_not_missed_by_a_reader_who_went_on(engine, redis):
    feed = make_feed(engine)
    late, early = task_opened(1), task_opened(2)
    async with SqlUnitOfWork(engine, DEFAULT_TENANT) as uow:
        await uow.events.add([late])
        await record(engine, [early])
        await publish_all(engine, redis)
        first = await feed.read(DEFAULT_TENANT)
        await uow.commit("test")

    await publish_all(engine, redis)
    second = await feed.read(DEFAULT_TENANT, after=first.next_after)

    assert [event.subject for event in first.events] == [early.subject]
    assert [event.subject for event in second.events] == [late.subject]
    assert second.next_after > first.next_after


async def test_the_feed_shows_a_tenant_its_own_events_only(engine, redis, truth):
    await truth.execute(
        "INSERT INTO tenant (id, slug, name, timezone) VALUES ($1, 'other', 'Other', 'UTC')", OTHER_TENANT
    )
    await record_opened(engine, 2)
    await record_opened(engine, 3, OTHER_TENANT)
    await publish_all(engine, redis)
    feed = make_feed(engine)

    mine, theirs = await feed.read(DEFAULT_TENANT), await feed.read(OTHER_TENANT)

    assert (len(mine.events), len(theirs.events)) == (2, 3)
    assert {event.tenant_id for event in theirs.events} == {OTHER_TENANT}
    assert (await feed.read(DEFAULT_TENANT, context="scheduler")).events == []


async def test_the_end_of_the_feed_says_where_to_go_on(engine, redis):
    await record_opened(engine, 3)
    await publish_all(engine, redis)
    feed = make_feed(engine)

    page = await feed.read(DEFAULT_TENANT, after=1, limit=1)
    end = await feed.read(DEFAULT_TENANT, after=3)

    assert ([event.position for event in page.events], page.next_after) == ([2], 2)
    assert (list(end.events), end.next_after) == ([], 3)


async def test_the_link_is_in_the_stream_only_when_asked_for(engine, redis):
    class Link:
        url = "https://answer.example.org/e?token=t"
        expires_at = None

    class Links:
        async def show(self, tenant_id, task_id):
            return Link() if task_id == opened.subject_id else None

    opened, closed = task_opened(1), task_opened(2)
    await record(engine, [opened, closed])
    relay = Relay(SqlRelayOutbox(engine), make_streams(redis), Envelopes(Links()))
    while await relay.cycle():
        pass

    first, second = await in_stream(redis)

    assert first["data"]["entry_url"] == Link.url
    assert "entry_url" not in second["data"]
    async with engine.connect() as connection:
        await connection.execute(text("SET LOCAL ROLE qs_relay"))
        stored = await connection.scalars(text("SELECT data::text FROM outbox"))
        assert not any("token=" in data for data in stored)


async def test_links_are_read_side_by_side_and_a_few_in_each_turn(engine, redis):
    """Else a turn would stand idle until the server ends it, and nothing would ever be published."""
    reading, most = 0, 0

    class Links:
        async def show(self, tenant_id, task_id):
            nonlocal reading, most
            reading += 1
            most = max(most, reading)
            await asyncio.sleep(0.005)
            reading -= 1

    await record_opened(engine, 250)
    relay = Relay(SqlRelayOutbox(engine), make_streams(redis), Envelopes(Links()))
    lengths = []
    while await relay.cycle():
        lengths.append(await redis.xlen(STREAM))

    assert lengths == [0, 100, 200, 250]
    assert most == 10
    assert [int(event["sequence"]) for event in await in_stream(redis)] == list(range(1, 251))


async def test_a_link_that_cannot_be_read_for_no_known_reason_stops_the_turn_when_all_have_been_asked(
    engine, redis
):
    asked = []

    class Links:
        async def show(self, tenant_id, task_id):
            asked.append(task_id)
            if len(asked) == 1:
                raise ConnectionError
            await asyncio.sleep(0.005)
            asked.append(task_id)

    await record_opened(engine, 3)
    relay = Relay(SqlRelayOutbox(engine), make_streams(redis), Envelopes(Links()))
    await relay.cycle()

    with pytest.raises(ConnectionError):
        await relay.cycle()

    assert len(asked) == 1 + 2 * 2
    assert await redis.xlen(STREAM) == 0


async def test_old_entries_leave_the_stream(engine, redis):
    await record_opened(engine, 10)
    await publish_all(engine, redis)

    assert await RedisEventStreams(redis, keep_hours=1).trim() == 0
    assert await RedisEventStreams(redis, keep_hours=-1).trim() == 10
    assert await redis.xlen(STREAM) == 0
