"""The outbox as it goes out to a broker, on a real database and a broker that does as it is told."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel import crash
from qs.application.kernel.brokers import BrokerUnavailable, MessageRefused
from qs.application.kernel.forwarding import EventForwarding
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.postgres.event_backlog import SqlEventBacklog
from qs.infra.postgres.event_log import SqlEventLogUnitOfWork
from qs.infra.postgres.forwarding_outbox import SqlForwardingOutbox
from qs.infra.postgres.retention import SqlForgettableRows
from qs.infra.postgres.unit_of_work import SqlUnitOfWork
from qs.infra.redis.client import create_redis
from qs.making_brokers import SUBSCRIPTION, make_forwarding_again
from tests.support.brokers import FakeBroker
from tests.support.events import in_stream, make_relay, make_streams, record_opened
from tests.support.events import publish_all as publish


class Died(BaseException):
    """What a kill leaves of a process: nothing catches it."""


@pytest.fixture
async def redis(redis_url: str):
    client = create_redis(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def forwarding(engine: AsyncEngine, broker: FakeBroker) -> EventForwarding:
    return make_forwarding(engine, broker)


def make_forwarding(engine: AsyncEngine, broker: FakeBroker, batch: int = 1000) -> EventForwarding:
    unit_of_work: Any = partial(SqlUnitOfWork, engine)
    return EventForwarding(SqlForwardingOutbox(engine), broker, unit_of_work, batch=batch)


async def assign(engine: AsyncEngine, redis: Redis) -> None:
    """Gives positions, and leaves what the streams have for the next cycle."""
    await make_relay(engine, make_streams(redis)).cycle()


async def test_events_go_out_as_they_stand_in_the_stream_in_order_and_once(
    engine: AsyncEngine, redis: Redis, broker: FakeBroker
):
    await record_opened(engine, 25)
    await publish(engine, redis)
    forwarding = make_forwarding(engine, broker, batch=10)

    while await forwarding.round():
        pass

    streamed = await in_stream(redis)
    assert [msgspec.json.decode(event.body) for event in broker.stored] == streamed
    assert broker.ids == [event["id"] for event in streamed]
    assert {event.key for event in broker.stored} == {event["partitionkey"] for event in streamed}
    assert not await forwarding.round()
    assert len(broker.stored) == 25


async def test_events_go_out_while_redis_is_away(
    engine: AsyncEngine, redis: Redis, broker: FakeBroker, forwarding: EventForwarding
):
    await record_opened(engine, 3)
    await assign(engine, redis)

    await forwarding.round()

    assert len(broker.stored) == 3
    assert await in_stream(redis) == []


async def test_a_broker_that_is_away_costs_latency_and_the_backlog_follows_in_order(
    engine: AsyncEngine, redis: Redis, broker: FakeBroker, forwarding: EventForwarding
):
    await record_opened(engine, 3)
    await publish(engine, redis)
    broker.away = True
    with pytest.raises(BrokerUnavailable):
        await forwarding.round()
    (behind,) = (await SqlEventBacklog(engine, [SUBSCRIPTION]).measure()).subscribers

    await record_opened(engine, 2)
    await publish(engine, redis)
    broker.away = False
    await forwarding.round()

    assert behind.unacknowledged == 3
    assert broker.ids == [event["id"] for event in await in_stream(redis)]
    (behind,) = (await SqlEventBacklog(engine, [SUBSCRIPTION]).measure()).subscribers
    assert behind.unacknowledged == 0


async def test_only_what_is_not_confirmed_is_sent_again(
    engine: AsyncEngine, redis: Redis, broker: FakeBroker, forwarding: EventForwarding
):
    await record_opened(engine, 4)
    await publish(engine, redis)
    ids = [event["id"] for event in await in_stream(redis)]
    broker.outcomes[ids[2]] = BrokerUnavailable()

    with pytest.raises(BrokerUnavailable):
        await forwarding.round()
    broker.outcomes.clear()
    await forwarding.round()

    # The last was stored when the third was not, and cannot be taken back.
    assert broker.ids == [ids[0], ids[1], ids[3], ids[2], ids[3]]


@pytest.mark.parametrize(
    "point",
    [
        "forward.before_publish",
        "forward.after_publish",
        "forward.turn.before_commit",
        "forward.turn.after_commit",
    ],
)
async def test_a_crash_between_any_two_steps_loses_nothing_and_sends_again_under_the_same_ids(
    engine: AsyncEngine, redis: Redis, broker: FakeBroker, forwarding: EventForwarding, point: str
):
    await record_opened(engine, 5)
    await publish(engine, redis)

    async def die(hit: str) -> None:
        if hit == point:
            raise Died

    with pytest.raises(Died), crash.armed(die):
        await forwarding.round()
    await make_forwarding(engine, broker).round()

    ids = [event["id"] for event in await in_stream(redis)]
    assert broker.ids in (ids, ids + ids)
    assert (broker.ids == ids + ids) == (point in {"forward.after_publish", "forward.turn.before_commit"})


async def test_processes_take_turns_and_send_nothing_twice(
    engine: AsyncEngine, redis: Redis, broker: FakeBroker
):
    await record_opened(engine, 200)
    await publish(engine, redis)

    async def work() -> None:
        mine = make_forwarding(engine, broker, batch=7)
        while len(broker.stored) < 200:
            await mine.round()
            await asyncio.sleep(0)

    await asyncio.gather(*(work() for _ in range(4)))

    assert broker.ids == [event["id"] for event in await in_stream(redis)]


async def test_a_refused_event_holds_up_nobody_and_becomes_a_dead_letter_that_can_be_revived(
    engine: AsyncEngine,
    redis: Redis,
    broker: FakeBroker,
    forwarding: EventForwarding,
    database_url: str,
):
    await record_opened(engine, 3)
    await publish(engine, redis)
    ids = [event["id"] for event in await in_stream(redis)]
    broker.outcomes[ids[1]] = MessageRefused()
    again = make_forwarding_again(engine, broker, 1)

    await forwarding.round()
    await again.retry()
    await again.retry()

    truth = await asyncpg.connect(database_url)
    try:
        dead = await truth.fetchrow("SELECT * FROM inbox WHERE subscriber = 'broker'")
        assert dead is not None
        assert (str(dead["event_id"]), dead["state"]) == (ids[1], "dead")
        assert "broker.message_refused" in dead["error"]
    finally:
        await truth.close()
    assert broker.ids == [ids[0], ids[2]]

    broker.outcomes.clear()
    await revive(engine, ids[1])
    await again.retry()

    assert broker.ids == [ids[0], ids[2], ids[1]]


async def revive(engine: AsyncEngine, event_id: str) -> None:
    async with SqlEventLogUnitOfWork(engine, DEFAULT_TENANT) as uow:
        assert await uow.log.revive("broker", [UUID(event_id)]) == 1
        await uow.commit("test")


async def test_the_outbox_keeps_what_the_broker_does_not_have_yet(
    engine: AsyncEngine, redis: Redis, broker: FakeBroker, forwarding: EventForwarding
):
    rows = SqlForgettableRows(engine, [SUBSCRIPTION])
    await record_opened(engine, 3)
    await publish(engine, redis)

    assert await rows.outbox(timedelta(0), 10) == 0
    await forwarding.round()
    assert await rows.outbox(timedelta(0), 10) == 3

    # What went before there was a broker is no reason to look again and again.
    assert not await forwarding.round()
    assert not await SqlForwardingOutbox(engine).has_work()
