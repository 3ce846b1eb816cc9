"""Worker roles: they outlive PostgreSQL's and Redis' absence and stop when asked."""

import asyncio
from datetime import timedelta

import pytest

from qs.domain.kernel.errors import Unavailable
from qs.infra.redis.client import create_redis
from tests.support.events import make_publishing, make_streams, make_subscribing, record_opened
from tests.support.own_redis import OwnRedis
from tests.support.waiting import eventually
from workers.runtime import Loop, keep_working

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
async def own_redis():
    server = OwnRedis()
    await server.start()
    yield server
    await server.close()


async def _stopped(working: asyncio.Task[None], stop: asyncio.Event) -> None:
    stop.set()
    await asyncio.wait_for(working, 60)


async def test_workers_outlive_restarts_of_redis_without_data(engine, own_redis, effects):
    clients = [create_redis(own_redis.url) for _ in range(2)]
    # Nothing gets overdue in this time: only noticing the loss can heal it.
    publishing = make_publishing(engine, clients[0], after_s=600)
    subscribing = make_subscribing(engine, clients[1])
    loops = [
        Loop("publish", publishing.round, 0.02),
        Loop("follow", lambda: subscribing.follow(timedelta(milliseconds=100)), 0.0),
        Loop("retry", subscribing.retry, 0.02),
    ]
    stop = asyncio.Event()
    working = asyncio.create_task(keep_working("test", loops, engine, stop))

    for round_ in range(1, 4):
        await record_opened(engine, 200)
        await own_redis.kill()
        await record_opened(engine, 200)
        await own_redis.start()

        async def all_acted(count=round_ * 400):
            return await effects() == (count, count)

        await eventually(all_acted, within=100)
    assert not working.done()
    await _stopped(working, stop)
    for client in clients:
        await client.aclose()


async def test_a_redis_that_restarts_while_everything_is_published_again_is_not_vouched_for(own_redis):
    client = create_redis(own_redis.url)
    streams = make_streams(client)
    assert not await streams.intact()
    await streams.vouch()
    assert await streams.intact()

    await own_redis.kill()
    await own_redis.start()
    found_lost = not await streams.intact()
    # Meanwhile everything is published again, and the server goes away once more.
    await own_redis.kill()
    await own_redis.start()
    await streams.vouch()

    assert found_lost
    assert not await streams.intact()
    await client.aclose()


async def test_workers_outlive_the_loss_of_their_database_connections(engine, redis, truth, effects):
    publishing, subscribing = make_publishing(engine, redis), make_subscribing(engine, redis)
    loops = [
        Loop("publish", publishing.round, 0.02),
        Loop("follow", lambda: subscribing.follow(timedelta(milliseconds=100)), 0.0),
        Loop("retry", subscribing.retry, 0.02),
    ]
    stop = asyncio.Event()
    working = asyncio.create_task(keep_working("test", loops, engine, stop))

    for round_ in range(1, 11):
        await record_opened(engine, 100)
        await truth.execute(
            # With a time it is waited for: one that was told and has not heard yet would end in the next round.
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )

        async def all_acted(count=round_ * 100):
            return await effects() == (count, count)

        await eventually(all_acted, within=100)
    await _stopped(working, stop)


async def test_a_step_that_was_begun_is_finished_before_the_worker_ends(engine):
    stop, ended = asyncio.Event(), []

    async def step():
        stop.set()
        await asyncio.sleep(0.05)
        ended.append(True)

    await asyncio.wait_for(keep_working("test", [Loop("slow", step, 0.01)], engine, stop), 60)

    assert ended == [True]


async def test_a_step_that_fails_is_tried_again_and_the_others_go_on(engine):
    stop, failed, worked = asyncio.Event(), [], []

    async def fail():
        failed.append(True)
        raise Unavailable if len(failed) % 2 else ValueError("a bug")

    async def work():
        worked.append(True)
        if len(failed) >= 3 and len(worked) > 100:
            stop.set()

    await asyncio.wait_for(
        keep_working("test", [Loop("bad", fail, 0), Loop("good", work, 0)], engine, stop), 60
    )

    assert len(failed) >= 3


async def test_a_worker_shows_itself_while_it_works(engine, truth):
    stop = asyncio.Event()
    working = asyncio.create_task(keep_working("relay", [], engine, stop))

    async def seen():
        return await truth.fetchval("SELECT role FROM worker_heartbeat")

    assert await eventually(seen) == "relay"
    await _stopped(working, stop)
    assert await truth.fetchval("SELECT count(*) FROM worker_heartbeat") == 0
