"""Many events from the outbox through a real broker that is killed halfway: none is lost.

NATS and RabbitMQ are Debian's; Kafka is the mock cluster of its client, which keeps nothing over a restart and is frozen
instead, for longer than the producer waits.
"""

import asyncio
import json
import sys
import time
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel.brokers import BrokerUnavailable
from qs.application.kernel.forwarding import EventForwarding
from qs.infra.brokers.choosing import make_events
from qs.infra.postgres.forwarding_outbox import SqlForwardingOutbox
from qs.infra.postgres.unit_of_work import SqlUnitOfWork
from qs.infra.redis.client import create_redis
from tests.support.broker_worlds import NAMES, WORLDS, World
from tests.support.events import make_relay, make_streams, record_opened

_FROZEN_S = 9.0


@pytest.fixture(params=["nats", "rabbitmq", "kafka"])
async def world(request: pytest.FixtureRequest):
    world: World = WORLDS[request.param]()
    world.frozen_s = _FROZEN_S  # type: ignore[attr-defined]
    try:
        await world.start()
        yield world
    finally:
        await world.close()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "count",
    [
        pytest.param(2_000, marks=pytest.mark.system),
        pytest.param(100_000, marks=pytest.mark.proof_long),
    ],
)
async def test_no_event_is_lost_when_the_broker_is_killed_halfway(
    world: World, engine: AsyncEngine, redis_url: str, count: int
):
    await _record(engine, redis_url, count)
    await world.listen()
    broker = make_events(world.kind, world.address, NAMES)
    unit_of_work: Any = partial(SqlUnitOfWork, engine)
    forwarding = EventForwarding(
        SqlForwardingOutbox(engine), broker, unit_of_work, batch=min(1000, count // 8)
    )

    began, failures, restarting = time.monotonic(), 0, None
    while True:
        try:
            more = await forwarding.round()
        except BrokerUnavailable:
            failures, more = failures + 1, True
            await asyncio.sleep(0.1)
        left = await _left(engine)
        if restarting is None and left <= count // 2:
            restarting = asyncio.create_task(world.restart())
        if not more and not left:
            break
    took = time.monotonic() - began
    assert restarting is not None
    await restarting
    await broker.aclose()

    stored = [json.loads(body)["id"] for _, body in await world.events()]
    _tell(f"{world.kind}: {count} events in {took:.1f} s with a restart, {failures} rounds unconfirmed,")
    _tell(f" {count - len(set(stored))} lost, {len(stored) - len(set(stored))} stored twice\n")
    assert len(set(stored)) == count
    assert failures > 0


def _tell(text_: str) -> None:
    with suppress(OSError):
        sys.__stderr__.write(text_) if sys.__stderr__ else None


async def _record(engine: AsyncEngine, redis_url: str, count: int) -> None:
    for start in range(0, count, 5_000):
        await record_opened(engine, min(5_000, count - start))
    redis = create_redis(redis_url)
    relay = make_relay(engine, make_streams(redis))
    while await relay.cycle():
        pass
    await redis.aclose()


async def _left(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        await connection.execute(text("SET LOCAL ROLE qs_relay"))
        found = await connection.scalar(
            text(
                "SELECT r.assigned_through - coalesce((SELECT acknowledged_through FROM subscriber_cursor"
                " WHERE subscriber = 'broker'), 0) FROM relay_cursor r"
            )
        )
        return int(found or 0)
