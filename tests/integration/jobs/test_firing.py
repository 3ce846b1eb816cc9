"""Slots of jobs: each once, whatever happens to the clocks."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.scheduler import across_jobs, jobs

MINUTE = timedelta(minutes=1)


async def test_a_due_slot_is_fired_once_and_the_next_one_is_known(node, books):
    job = await node.job()
    slot = (await books.job(job)).next_slot
    await books.due_since(job, slot - MINUTE)

    looked = await node.firing.fire_due()
    again = await node.firing.fire_due()

    (run,) = await books.runs(job)
    assert (looked.dealt_with, again.dealt_with) == (1, 0)
    assert (run.status, run.scheduled_at, run.fired_by) == ("queued", slot - MINUTE, "clock")
    assert (await books.job(job)).next_slot == slot


async def test_eight_nodes_fire_each_slot_once(make_node, books):
    nodes = [make_node() for _ in range(8)]
    jobs = [
        await nodes[0].job(f"job {number}", overlap={"policy": "queue_all", "max": 9}) for number in range(20)
    ]

    for _ in range(3):
        for job in jobs:
            await books.due_since(job, (await books.job(job)).next_slot - MINUTE)
        await asyncio.gather(*(node.firing.fire_due() for node in nodes for _ in range(2)))

    slots = await books.rows("SELECT job_id, scheduled_at FROM job_execution")
    assert len(slots) == len(set(slots)) > 0
    assert {row.job_id for row in slots} == {job.id for job in jobs}


async def test_what_was_missed_is_fired_once_and_the_rest_is_written_down(node, books):
    job = await node.job()
    now = await books.now()
    newest = now.replace(second=0, microsecond=0)
    await books.due_since(job, newest - 5 * MINUTE)

    await node.firing.fire_due()

    runs = await books.runs(job)
    told = [(run.scheduled_at, run.status) for run in runs]
    # The last slot, or the last two at the very beginning of a minute, are late by no more than the grace.
    assert told[:4] == [(newest - n * MINUTE, "missed") for n in (5, 4, 3, 2)]
    assert told[-1] == (newest, "queued")


async def test_work_is_done_and_its_end_written(node, books):
    job = await node.job(payload={"days": 7})
    await books.due_since(job, (await books.job(job)).next_slot - MINUTE)
    node.executor.wrote = b"hello\n"

    await node.firing.fire_due()
    await node.work_off()

    (run,) = await books.runs(job)
    (attempt,) = await books.attempts(run.id)
    pieces, over = await node.reading.output(job.tenant_id, run.id, offset=0, most=100)
    assert (run.status, run.result, run.attempt, run.epoch) == ("succeeded", {"did": "it"}, 1, 1)
    assert (attempt.outcome, attempt.number) == ("succeeded", 1)
    assert node.executor.attempts[0].payload == {"days": 7}
    assert node.executor.attempts[0].idempotency_key == f"{job.id}:{run.scheduled_at.isoformat()}"
    assert node.executor.attempts[0].traceparent == f"00-{run.id.hex}-{run.id.hex[-12:]}0001-01"
    assert ([piece.data for piece in pieces], over) == ([b"hello\n"], True)


@pytest.mark.parametrize("statement", [jobs._DUE, across_jobs._DUE_TENANTS])
async def test_what_is_due_is_looked_up_in_an_index_however_many_jobs_are_not(engine, statement):
    values = {
        name: value
        for name, value in (("tenant", DEFAULT_TENANT), ("limit", 10))
        if f":{name}" in statement.text
    }
    async with engine.connect() as connection:
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        rows = await connection.execute(text(f"EXPLAIN {statement.text}"), values)
        plan = [row[0] for row in rows]

    assert any("Index Cond" in line and "next_fire_at <=" in line for line in plan), "\n".join(plan)
