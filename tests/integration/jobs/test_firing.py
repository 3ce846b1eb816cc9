"""Slots of jobs: each once, whatever happens to the clocks."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from qs.infra.postgres.roles import APP, SWEEPER
from qs.infra.scheduler import across_jobs, jobs
from qs.infra.scheduler.unit_of_work import SqlJobUnitOfWork
from tests.integration.jobs.nodes import ACTOR

MINUTE = timedelta(minutes=1)
SOON = timedelta(milliseconds=100)
# So that the turn of a minute meanwhile makes nothing else due.
RARELY = "0 0 1 1 *"


class Gate:
    """Stands where slots that were written ahead wait for their instant."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()


@pytest.fixture
def gate(monkeypatch) -> Gate:
    gate, wait_until = Gate(), SqlJobUnitOfWork.wait_until

    async def wait(uow, at):
        gate.reached.set()
        await gate.opened.wait()
        await wait_until(uow, at)

    monkeypatch.setattr(SqlJobUnitOfWork, "wait_until", wait)
    return gate


async def test_a_due_slot_is_fired_once_and_the_next_one_is_known(node, books):
    job = await node.job(schedule=RARELY)
    following, slot = (await books.job(job)).next_slot, await books.now()
    await books.due_since(job, slot)

    looked = await node.firing.fire_due()
    again = await node.firing.fire_due()

    (run,) = await books.runs(job)
    assert (looked.dealt_with, again.dealt_with) == (1, 0)
    assert (run.status, run.scheduled_at, run.fired_by) == ("queued", slot, "clock")
    assert (await books.job(job)).next_slot == following


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
    first = (await books.now()).replace(second=0, microsecond=0) - 5 * MINUTE
    await books.due_since(job, first)

    await node.firing.fire_due()

    runs = await books.runs(job)
    told = [(run.scheduled_at, run.status) for run in runs]
    # Usually the fifth after the first, unless a minute turned meanwhile.
    newest = (await books.job(job)).next_slot - MINUTE
    assert newest >= first + 5 * MINUTE
    # The last slot, or the last two at the very beginning of a minute, are late by no more than the grace.
    assert told[:4] == [(first + n * MINUTE, "missed") for n in range(4)]
    assert told[-1] == (newest, "queued")


async def test_work_is_done_and_its_end_written(node, books):
    job = await node.job(schedule=RARELY, payload={"days": 7})
    await books.due_since(job, await books.now())
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


async def test_what_becomes_due_is_there_at_its_instant_and_not_before(node, books, gate):
    job = await node.job(schedule=RARELY)
    at = await books.now() + SOON
    await books.due_since(job, at)

    firing = asyncio.create_task(node.firing.fire_at(at))
    await gate.reached.wait()
    early = await books.runs(job)
    gate.opened.set()
    fired = await firing
    over = await books.now()

    (run,) = await books.runs(job)
    assert (early, fired) == ([], 1)
    assert (run.status, run.scheduled_at, run.available_at) == ("queued", at, at)
    assert over >= at
    assert (await books.job(job)).next_slot > at
    assert (await node.firing.fire_due()).dealt_with == 0


async def test_an_edit_just_before_the_slot_comes_after_it(node, books, gate):
    job = await node.job()
    at = await books.now() + SOON
    await books.due_since(job, at)

    firing = asyncio.create_task(node.firing.fire_at(at))
    await gate.reached.wait()
    edit = asyncio.create_task(
        node.authoring.enable(DEFAULT_TENANT, job.id, False, version=None, actor=ACTOR)
    )
    await asyncio.wait({edit}, timeout=0.1)
    assert not edit.done()
    gate.opened.set()
    await edit

    assert await books.now() >= at
    assert await firing == 1
    assert len(await books.runs(job)) == 1
    assert (await books.job(job)).next_slot is None


@pytest.mark.parametrize("tenant", [DEFAULT_TENANT, PLATFORM_TENANT])
async def test_a_clock_that_is_stopped_just_before_the_slot_does_not_fire_it(node, books, gate, tenant):
    job = await node.job()
    at = await books.now() + SOON
    await books.due_since(job, at)

    firing = asyncio.create_task(node.firing.fire_at(at))
    await gate.reached.wait()
    await node.switching.turn(tenant, False, actor=ACTOR)
    gate.opened.set()

    assert await firing == 0
    assert await books.runs(job) == []


async def test_jobs_of_a_suspended_tenant_are_not_fired_until_it_is_active_again(node, books):
    job = await node.job(schedule=RARELY)
    slot = await books.now() - MINUTE
    await books.due_since(job, slot)

    await books.rows("UPDATE tenant SET status = 'suspended'")
    suspended = [(await node.firing.fire_due()).dealt_with, await node.firing.fire_at(slot)]
    await books.rows("UPDATE tenant SET status = 'active'")

    assert suspended == [0, 0]
    assert (await node.firing.fire_due()).dealt_with == 1
    assert [run.scheduled_at for run in await books.runs(job)] == [slot]


async def test_a_job_that_is_still_at_work_is_judged_at_its_slot(node, books):
    job = await node.job(schedule=RARELY, overlap={"policy": "skip"})
    node.executor.hold()
    await node.operating.run(DEFAULT_TENANT, job.id, actor=ACTOR)
    await node.work()
    await node.executor.begun()
    at = await books.now() + SOON
    await books.due_since(job, at)

    ahead = await node.firing.fire_at(at)
    node.executor.may_end.set()
    await node.idle()
    await books.due_since(job, await books.now())
    await node.firing.fire_due()

    assert ahead == 0
    assert sorted(run.status for run in await books.runs(job)) == ["queued", "succeeded"]


async def test_of_two_nodes_that_write_ahead_one_fires(make_node, books):
    nodes = [make_node(), make_node()]
    job = await nodes[0].job()
    at = await books.now() + SOON
    await books.due_since(job, at)

    fired = await asyncio.gather(*(node.firing.fire_at(at) for node in nodes))

    assert sorted(fired) == [0, 1]
    assert len(await books.runs(job)) == 1


_OTHER_COLUMNS = text(
    "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns"
    " WHERE table_schema = 'public' AND table_name = 'job' AND column_name NOT IN ('id', 'name')"
    " AND is_generated = 'NEVER'"
)


@pytest.mark.parametrize(
    ("statement", "role"), [(jobs._DUE, APP), (jobs._DUE_AT, APP), (across_jobs._DUE_TENANTS, SWEEPER)]
)
async def test_what_is_due_is_looked_up_in_an_index_however_many_jobs_are_not(node, engine, statement, role):
    await node.job(schedule="0 0 1 1 *")
    values = {
        name: value
        for name, value in (("tenant", DEFAULT_TENANT), ("limit", 10), ("at", datetime.now(UTC)))
        if f":{name}" in statement.text
    }
    async with engine.connect() as connection:
        # Of an empty table one index is as good as another to the planner; nothing of this is committed.
        columns = await connection.scalar(_OTHER_COLUMNS)
        copies = f"SELECT gen_random_uuid(), name || n, {columns} FROM job, generate_series(1, 3000) AS n"
        await connection.execute(text(f"INSERT INTO job (id, name, {columns}) {copies}"))
        await connection.execute(text("ANALYZE job"))
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        await connection.execute(text(f"SET LOCAL ROLE {role}"))
        rows = await connection.execute(text(f"EXPLAIN {statement.text}"), values)
        plan = [row[0] for row in rows]

    assert any("Index Cond" in line and "next_fire_at <=" in line for line in plan), "\n".join(plan)
