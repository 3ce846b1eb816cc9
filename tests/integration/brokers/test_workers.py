"""The worker roles with a broker: events go out, requests come in, both wait while it is away, and the doctor says so."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.scheduler.job_documents import read_job
from qs.container import Container, build_container, close
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.interface.cli.broker_findings import broker_findings
from qs.settings import Settings
from qs.settings.sections import MqSettings
from tests.support.broker_worlds import NAMES, NsqWorld
from tests.support.events import record_opened
from tests.support.waiting import eventually
from workers import relay, ticker

HELLO = {"name": "hello", "type": "cron", "schedule": "0 0 1 1 *", "target": {"builtin": "hello_job"}}


@pytest.fixture
async def world():
    world = NsqWorld()
    await world.start()
    yield world
    await world.close()


@pytest.fixture
def with_broker(settings: Settings, world: NsqWorld) -> Settings:
    mq = MqSettings(type="nsq", host="127.0.0.1", port=world.server.port, accept_jobs=True, tenant="default")
    return msgspec.structs.replace(settings, mq=mq)


@asynccontextmanager
async def working(
    settings: Settings, run: Callable[[Container, asyncio.Event], Coroutine[Any, Any, None]]
) -> AsyncIterator[Container]:
    """A role in this process, until the block is left."""
    container, stop = build_container(settings), asyncio.Event()
    role = asyncio.create_task(run(container, stop))
    try:
        yield container
    finally:
        stop.set()
        await asyncio.wait_for(role, 30)
        await close(container)


async def test_the_relay_hands_events_to_the_broker_and_catches_up_when_it_was_away(
    with_broker: Settings, world: NsqWorld, engine: AsyncEngine
):
    async def are_there(count: int) -> bool:
        return len({json.loads(body)["id"] for _, body in await world.events()}) == count

    async with working(with_broker, relay.run):
        await record_opened(engine, 20)
        await eventually(lambda: are_there(20))
        await world.server.stop()
        await record_opened(engine, 20)
        away = [finding async for finding in broker_findings(with_broker)]
        await world.server.start()
        await eventually(lambda: are_there(40))
    there = [finding async for finding in broker_findings(with_broker)]

    assert [(each.subject, each.code) for each in there] == [
        ("message broker", "ok"),
        ("broker backlog", "ok"),
        ("mq.accept_jobs", "broker.accepts_jobs"),
    ]
    assert (away[0].subject, away[0].code) == ("message broker", "broker.away")
    assert "still to go out" in away[1].what


async def test_the_ticker_runs_what_a_message_asks_for_once_and_keeps_the_rest_for_people(
    with_broker: Settings, world: NsqWorld, engine: AsyncEngine
):
    async def runs() -> list[tuple[str, str]]:
        async with engine.connect() as connection:
            await connection.execute(
                text("SELECT set_config('qs.tenant_id', :tenant, true)"), {"tenant": str(DEFAULT_TENANT)}
            )
            found = await connection.execute(
                text("SELECT fired_by, idempotency_key FROM job_execution WHERE tenant_id = :tenant"),
                {"tenant": DEFAULT_TENANT},
            )
            return [(row.fired_by, row.idempotency_key) for row in found]

    async def both_are_done() -> bool:
        return bool(await runs() and await world.dead_letters())

    async with working(with_broker, ticker.run) as container:
        job = await container.job_authoring().create(DEFAULT_TENANT, read_job(HELLO), actor="test")
        asked = json.dumps({"job_id": str(job.id), "idempotency_key": "k-1"}).encode()
        await world.ask([asked, asked, b"what?"])
        await eventually(both_are_done)

        async def all_are_acknowledged() -> bool:
            channel = world.server.channel(NAMES.requests, NAMES.group)
            return not channel.waiting and not any(each.in_flight for each in channel.consumers)

        await eventually(all_are_acknowledged)

    assert await runs() == [("message", "k-1")]
    (letter,) = await world.dead_letters()
    assert (letter["code"], letter["message"]) == ("job_request.invalid", "what?")
