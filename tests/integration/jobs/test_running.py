"""Executions of jobs: retried, stopped, taken from dead workers, one behind the other."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from qs.application.scheduler.executors import AttemptOutcome, AttemptStatus
from qs.application.scheduler.job_ports import QueueLimits
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.scheduler.errors import ExecutionOver, JobBusy
from qs.domain.scheduler.job import Job
from qs.domain.scheduler.job_execution import JobExecution, RunStatus
from qs.infra.scheduler.runs import SqlRuns
from tests.support.waiting import eventually

from .nodes import ACTOR, DEAD, Node, failed

MINUTE = timedelta(minutes=1)


async def run_now(node: Node, job: Job, **options: Any) -> JobExecution:
    return await node.operating.run(DEFAULT_TENANT, job.id, actor=ACTOR, **options)


async def test_a_failed_attempt_is_tried_again_when_its_delay_is_over(node, books):
    job = await node.job(retry={"max_attempts": 2, "delay": "0s"})
    node.executor.outcomes = [failed("http:503")]

    run = await run_now(node, job)
    await node.work_off()

    attempts = await books.attempts(run.id)
    assert [(a.number, a.outcome, a.code) for a in attempts] == [
        (1, "failed", "http:503"),
        (2, "succeeded", None),
    ]
    assert (await books.run(run.id)).status == "succeeded"


async def test_what_would_fail_again_is_not_tried_again(node, books):
    job = await node.job(retry={"max_attempts": 5, "delay": "0s"})
    node.executor.outcomes = [failed(permanent=True)]

    run = await run_now(node, job)
    await node.work_off()

    row = await books.run(run.id)
    assert (row.status, row.attempt, row.error) == ("failed", 1, "it did not work")


async def test_an_execution_of_a_dead_worker_is_attempted_again_although_one_attempt_is_allowed(
    make_node, books
):
    dead, alive = make_node(lease=DEAD), make_node()
    job = await dead.job(retry={"max_attempts": 1})
    dead.executor.hold()
    run = await run_now(dead, job)
    await dead.work()
    await dead.executor.begun()

    await alive.rescue.rescue()
    await alive.work_off()
    dead.executor.may_end.set()
    await dead.idle()

    row = await books.run(run.id)
    assert (row.status, row.attempt, row.worker) == ("succeeded", 2, alive.running.worker)
    assert [a.outcome for a in await books.attempts(run.id)] == ["lost", "succeeded"]
    refused = await books.rows("SELECT action FROM audit WHERE object_id = :id", id=run.id)
    assert [each.action for each in refused] == ["execution.end_refused"]


async def test_a_second_run_of_an_active_job_is_refused_unless_it_is_forced(node):
    job = await node.job()
    first = await run_now(node, job)

    with pytest.raises(JobBusy) as refused:
        await run_now(node, job)
    forced = await run_now(node, job, force=True)

    assert refused.value.execution_id == first.id
    assert forced.status is RunStatus.QUEUED


async def test_the_same_key_runs_a_job_once(node):
    job = await node.job()

    first = await run_now(node, job, idempotency_key="k")
    again = await run_now(node, job, idempotency_key="k")

    assert again.id == first.id


async def test_runs_that_queue_begin_one_after_the_other(node, books):
    job = await node.job(overlap={"policy": "queue_all", "max": 5})
    runs = [await run_now(node, job) for _ in range(4)]

    await node.work_off()

    assert node.executor.most_at_once == 1
    assert [a.execution_id for a in node.executor.attempts] == [run.id for run in runs]


async def test_a_replaced_run_is_stopped_before_the_new_one_starts(node, books):
    job = await node.job(overlap="replace")
    node.executor.hold()
    old = await run_now(node, job)
    await node.work()
    await node.executor.begun()

    new = await run_now(node, job)
    nothing = await node.work()
    await node.running.beat()
    await node.idle()
    node.executor.may_end.set()
    await node.work_off()

    assert nothing == 0
    assert (await books.run(old.id)).status == "replaced"
    assert (await books.run(new.id)).status == "succeeded"
    assert node.executor.stopped == [old.id]


async def test_a_canceled_execution_stops_and_stays_canceled(node, books):
    job = await node.job(retry={"max_attempts": 3})
    node.executor.hold()
    run = await run_now(node, job)
    await node.work()
    await node.executor.begun()

    await node.operating.cancel(DEFAULT_TENANT, run.id, actor=ACTOR)
    await node.running.beat()
    await node.idle()

    assert (await books.run(run.id)).status == "canceled"
    with pytest.raises(ExecutionOver):
        await node.operating.cancel(DEFAULT_TENANT, run.id, actor=ACTOR)


async def test_what_a_stopping_worker_holds_another_one_does(make_node, books):
    leaving, staying = make_node(), make_node()
    job = await leaving.job()
    leaving.executor.hold()
    run = await run_now(leaving, job)
    await leaving.work()
    await leaving.executor.begun()

    await leaving.running.drain(timedelta(0))
    await staying.rescue.rescue()
    await staying.work_off()

    assert (await books.run(run.id)).status == "succeeded"
    assert leaving.executor.attempts[0].handed_over()
    assert not staying.executor.attempts[0].handed_over()


async def test_an_attempt_may_take_its_executors_grace_to_stop_and_no_longer(node, books):
    job = await node.job(timeout="1s", retry={"max_attempts": 1})
    node.executor.grace = timedelta(seconds=-1)
    node.executor.hold()

    run = await run_now(node, job)
    await node.work_off()

    assert (await books.run(run.id)).status == "timed_out"


@pytest.mark.parametrize("size", [10, 100_000])
async def test_what_attempts_wrote_is_kept_one_after_the_other(node, books, size):
    job = await node.job(retry={"max_attempts": 2, "delay": "0s"})
    node.executor.outcomes = [failed()]
    node.executor.wrote = b"x" * size

    run = await run_now(node, job)
    await node.work_off()

    pieces, over = await node.reading.output(DEFAULT_TENANT, run.id, offset=0, most=3 * size)
    assert over
    assert b"".join(piece.data for piece in pieces) == b"x" * 2 * size
    assert [piece.offset for piece in pieces] == [
        sum(len(before.data) for before in pieces[:n]) for n in range(len(pieces))
    ]
    assert {piece.attempt for piece in pieces} == {1, 2}


async def test_an_end_that_cannot_be_written_with_its_output_is_written_without(node, books, monkeypatch):
    async def refuse(self, pieces):
        raise RuntimeError("no room")

    monkeypatch.setattr(SqlRuns, "append_output", refuse)
    job = await node.job()
    node.executor.wrote = b"last words"

    run = await run_now(node, job)
    await node.work_off()

    assert (await books.run(run.id)).status == "succeeded"


async def test_a_success_runs_the_next_job_and_a_failure_another(node, books):
    after = await node.job("after")
    alarm = await node.job("alarm")
    job = await node.job("first", on_success=["after"], on_failure=["alarm"], retry={"max_attempts": 1})
    node.executor.outcomes = [failed()]

    failing = await run_now(node, job)
    await node.work_off()
    succeeding = await run_now(node, job)
    await node.work_off()

    (alarmed,) = await books.runs(alarm)
    (followed,) = await books.runs(after)
    assert (alarmed.parent_id, alarmed.status) == (failing.id, "succeeded")
    assert (followed.parent_id, followed.fired_by) == (succeeding.id, "chain")


async def test_the_slots_of_a_fixed_delay_follow_the_ends_of_its_executions(node, books):
    job = await node.job(type="fixed_delay", schedule="10m")
    await books.due_since(job, await books.now() - MINUTE)

    await node.firing.fire_due()
    meanwhile = (await books.job(job)).next_slot
    await node.work_off()

    (run,) = await books.runs(job)
    following = (await books.job(job)).next_slot
    assert meanwhile is None
    assert timedelta(0) <= following - (run.finished_at + 10 * MINUTE) < timedelta(seconds=30)


async def test_a_queue_runs_no_more_at_once_than_it_may_in_all_workers_together(make_node):
    executor_limits = QueueLimits({"narrow": 3})
    nodes = [make_node(limits=executor_limits) for _ in range(4)]
    for node in nodes:
        node.executor.hold()
    jobs = [await nodes[0].job(f"job {n}", queue="narrow") for n in range(10)]
    wide = await nodes[0].job("wide")
    for job in (*jobs, wide):
        await run_now(nodes[0], job)

    await asyncio.gather(*(node.work() for node in nodes for _ in range(2)))

    held = [run.run.execution.queue for node in nodes for run in node.running._running.values()]
    assert sorted(held) == ["default", "narrow", "narrow", "narrow"]


async def test_what_did_not_begin_in_time_expires(node, books):
    job = await node.job(start_deadline="1s")
    run = await run_now(node, job)
    await books.rows("UPDATE job_execution SET start_before = clock_timestamp() WHERE id = :id", id=run.id)

    taken = await node.work()
    await node.rescue.rescue()

    assert taken == 0
    assert (await books.run(run.id)).status == "expired"


async def test_a_range_is_filled_in_one_slot_after_the_other_and_moves_no_clock(node, books):
    job = await node.job(type="daily", schedule="02:00", timezone="UTC")
    before = (await books.job(job)).next_slot
    end = before - timedelta(days=1)

    dry = await node.operating.backfill(
        DEFAULT_TENANT, job.id, actor=ACTOR, start=end - timedelta(days=3), end=end, dry_run=True
    )
    filled = await node.operating.backfill(
        DEFAULT_TENANT, job.id, actor=ACTOR, start=end - timedelta(days=3), end=end, dry_run=False
    )
    await node.work_off()

    assert dry.slots == filled.slots
    assert len(filled.execution_ids) == 3
    assert node.executor.most_at_once == 1
    assert [a.scheduled_at for a in node.executor.attempts] == list(filled.slots)
    assert (await books.job(job)).next_slot == before


async def test_a_run_that_was_awaited_ends_by_its_report_or_its_timeout(node, books):
    job = await node.job(overlap={"policy": "allow", "max": 2}, retry={"max_attempts": 1})
    node.executor.outcomes = [AttemptOutcome(status=AttemptStatus.AWAITED)] * 2
    reported, forgotten = await run_now(node, job), await run_now(node, job)
    await node.work()
    await node.idle()

    await node.operating.report(DEFAULT_TENANT, reported.id, actor=ACTOR, succeeded=True)
    await books.rows("UPDATE job_execution SET lease_until = now() WHERE id = :id", id=forgotten.id)
    await node.rescue.rescue()

    assert (await books.run(reported.id)).status == "succeeded"
    assert (await books.run(forgotten.id)).status == "timed_out"


async def test_everything_that_waits_is_worked_off_however_many_workers_there_are(make_node, books):
    nodes = [make_node(concurrency=5) for _ in range(3)]
    jobs = [await nodes[0].job(f"job {n}") for n in range(40)]
    for job in jobs:
        await run_now(nodes[0], job)

    async def all_done() -> bool:
        await asyncio.gather(*(node.work() for node in nodes))
        (left,) = await books.rows("SELECT count(*) AS n FROM job_execution WHERE status <> 'succeeded'")
        return bool(left.n == 0)

    await eventually(all_done)

    worked = [attempt.execution_id for node in nodes for attempt in node.executor.attempts]
    assert len(worked) == len(set(worked)) == 40


async def test_the_next_executions_are_claimed_while_the_ends_of_others_wait_to_be_written(make_node):
    node = make_node(concurrency=4)
    jobs = [await node.job(f"job {n}") for n in range(8)]
    for job in jobs:
        await run_now(node, job)

    # Nobody writes ends here.
    taken = [await node.running.take()]
    await node.executor.begun(4)
    taken += [await node.running.take(), await node.running.take()]
    await node.executor.begun(6)

    assert taken == [4, 2, 0]
    assert len(node.running) == 6


async def test_where_limits_hold_an_execution_takes_its_place_until_its_end_is_written(make_node):
    node = make_node(concurrency=4, limits=QueueLimits({"narrow": 9}))
    jobs = [await node.job(f"job {n}") for n in range(8)]
    for job in jobs:
        await run_now(node, job)

    taken = [await node.running.take()]
    await node.executor.begun(4)
    taken.append(await node.running.take())

    assert taken == [4, 0]
