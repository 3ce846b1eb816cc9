"""Executions that are asked for by messages: one per key, whatever becomes of the messages and the process."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from qs.application.kernel import crash
from qs.application.kernel.brokers import DeadLetter
from qs.application.scheduler.accepting import JobRequestAccepting, TenantNotActive
from qs.domain.kernel.errors import Unavailable
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.scheduler.job import Job
from qs.infra.brokers.choosing import make_queue
from qs.infra.postgres.failures import translate
from qs.infra.postgres.retention import SqlForgettableRows
from tests.support.broker_worlds import NAMES, NsqWorld
from tests.support.waiting import eventually

from .nodes import Node


def make_accepting(node: Node, tenant_id: UUID | None = DEFAULT_TENANT) -> JobRequestAccepting:
    async def active_tenant(name: str) -> UUID | None:
        return tenant_id if name in ("default", str(tenant_id)) else None

    return JobRequestAccepting(node.operating, active_tenant, "default", translate=translate)


def request(job: Job | UUID, key: str = "key", **more: Any) -> bytes:
    job_id = job.id if isinstance(job, Job) else job
    return json.dumps({"job_id": str(job_id), "idempotency_key": key, **more}).encode()


async def executions(engine: Any) -> list[Any]:
    async with engine.connect() as connection:
        await connection.execute(
            text("SELECT set_config('qs.tenant_id', :tenant, true)"), {"tenant": str(DEFAULT_TENANT)}
        )
        rows = await connection.execute(
            text(
                "SELECT id, fired_by, actor, status, payload, idempotency_key FROM job_execution"
                " WHERE tenant_id = :tenant ORDER BY id"
            ),
            {"tenant": DEFAULT_TENANT},
        )
        return list(rows)


async def test_a_message_that_comes_eight_times_at_once_and_once_more_runs_the_job_once(node, engine):
    job = await node.job()
    accepting = make_accepting(node)
    body = request(job, payload={"month": 7})

    async def deliver() -> DeadLetter | None:
        while True:
            try:
                return await accepting.accept(body)
            except Unavailable:
                await asyncio.sleep(0.01)

    told = await asyncio.gather(*(deliver() for _ in range(8)))
    again = await accepting.accept(body)

    (run,) = await executions(engine)
    assert [*told, again] == [None] * 9
    assert (run.fired_by, run.actor, run.idempotency_key) == ("message", "system:broker", "key")
    assert run.payload == {"month": 7}


async def test_a_key_is_one_requests_whatever_job_or_payload_another_names(node, engine):
    first, second = await node.job("first"), await node.job("second")
    accepting = make_accepting(node)
    assert await accepting.accept(request(first)) is None

    other_job = await accepting.accept(request(second))
    other_payload = await accepting.accept(request(first, payload={"a": 1}))

    assert other_job is not None
    assert other_payload is not None
    assert {other_job.code, other_payload.code} == {"job_request.key_taken"}
    assert len(await executions(engine)) == 1


async def test_what_can_never_be_run_becomes_a_dead_letter_with_its_reason(node, engine):
    disabled, busy, free = await node.job("disabled", enabled=False), await node.job("busy"), await node.job()
    accepting = make_accepting(node)
    assert await accepting.accept(request(busy, "first")) is None

    letters = {
        "malformed": await accepting.accept(b"{"),
        "absent": await accepting.accept(request(uuid4(), "a")),
        "disabled": await accepting.accept(request(disabled, "b")),
        "foreign": await accepting.accept(request(busy, "c", tenant="elsewhere")),
        "busy": await accepting.accept(request(busy, "second")),
        "nul": await accepting.accept(request(free, "d", payload={"a": "\0"})),
    }

    assert {name: letter and letter.code for name, letter in letters.items()} == {
        "malformed": "job_request.invalid",
        "absent": "job.absent",
        "disabled": "job.disabled",
        "foreign": "job_request.foreign_tenant",
        "busy": "job.busy",
        "nul": "invalid",
    }
    assert len(await executions(engine)) == 1


async def test_a_key_is_forgotten_with_the_history_of_executions(node, engine):
    job = await node.job()
    accepting, rows = make_accepting(node), SqlForgettableRows(engine, [])
    assert await accepting.accept(request(job)) is None

    assert await rows.broker_requests(timedelta(hours=1), 10) == 0
    assert await rows.broker_requests(timedelta(0), 10) == 1


async def test_a_message_waits_while_its_tenant_is_not_active(node):
    job = await node.job()

    with pytest.raises(TenantNotActive):
        await make_accepting(node, None).accept(request(job))


async def test_an_error_that_nobody_foresaw_does_not_keep_a_message_for_ever(node):
    job = await node.job()
    accepting = make_accepting(node)

    async def fail(point: str) -> None:
        if point == "job.run_requested.before_commit":
            raise RuntimeError

    with crash.armed(fail):
        for _ in range(4):
            with pytest.raises(RuntimeError):
                await accepting.accept(request(job))
        letter = await accepting.accept(request(job))

    assert letter is not None
    assert letter.code == "job_request.failed"


@pytest.mark.parametrize(
    "point",
    [
        "job.run_requested.before_commit",
        "job.run_requested.after_commit",
        "message.before_acknowledge",
        "message.after_acknowledge",
    ],
)
async def test_a_crash_anywhere_between_message_and_acknowledgement_runs_the_job_once(node, engine, point):
    """The message is NSQ's; what crashes is one process, and another takes what it left."""
    world = NsqWorld()
    await world.start()
    job, stop, died = await node.job(), asyncio.Event(), asyncio.Event()

    async def die(hit: str) -> None:
        if hit == point and not died.is_set():
            died.set()
            await asyncio.Event().wait()

    async def is_acknowledged() -> bool:
        channel = world.server.channel(NAMES.requests, NAMES.group)
        return not channel.waiting and not any(consumer.in_flight for consumer in channel.consumers)

    with crash.armed(die):
        queue = make_queue("nsq", world.address, NAMES)
        first = asyncio.create_task(queue.consume(make_accepting(node).accept, stop))
        await world.ask([request(job)])
        await died.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        second = asyncio.create_task(
            make_queue("nsq", world.address, NAMES).consume(make_accepting(node).accept, stop)
        )
        await world.ask([request(job, "other")])
        await eventually(is_acknowledged)
        stop.set()
        await second
    await world.close()

    keys = [run.idempotency_key for run in await executions(engine)]
    assert keys.count("key") == 1
