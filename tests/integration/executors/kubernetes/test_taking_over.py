"""One execution, several attempts: what a lost worker began is taken over, what failed is done anew."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from qs.application.scheduler.executors import Attempt, AttemptOutcome, AttemptStatus
from tests.integration.executors.kubernetes.clusters import ROOT, Space, Written, an_attempt
from tests.support.processes import running
from tests.support.waiting import eventually


async def _started(space: Space, attempt: Attempt) -> None:
    async def begun():
        return await space.begun(attempt)

    await eventually(begun, within=15)


async def _lose(task: "asyncio.Task[AttemptOutcome]", monkeypatch: pytest.MonkeyPatch) -> None:
    """The attempt is gone as if its worker had died: nothing is stopped, nothing is said."""

    async def nothing(self):
        return

    with monkeypatch.context() as patched:
        patched.setattr("qs.infra.scheduler.executors.kubernetes._Run._stop", nothing)
        task.cancel()
        await asyncio.wait({task})


async def test_after_a_worker_was_killed_the_next_attempt_takes_its_job_over(executor, space, output):
    attempt = an_attempt("say early", "await go", "say late", output=output)
    told = json.dumps(
        {
            "execution_id": str(attempt.execution_id),
            "job_id": str(attempt.job_id),
            "args": list(attempt.target["args"]),
            "namespace": space.name,
            "kubeconfig": str(space.kubeconfig),
        }
    )
    module = "tests.integration.executors.kubernetes.worker_process"
    async with running(
        sys.executable, "-m", module, told, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        assert (await worker.stdout.readline()) == b"early\n"
        os.kill(worker.pid, signal.SIGKILL)
        await worker.wait()

    second = asyncio.create_task(executor.execute(replace(attempt, number=2)))
    await space.release()
    outcome = await second

    assert outcome.status is AttemptStatus.SUCCEEDED
    assert await space.begun(attempt) == 1
    assert output.lines == ["early", "late"]
    assert (await space.job())["metadata"]["annotations"]["qs.attempt"] == "2"


async def test_what_is_handed_over_goes_on_until_the_next_attempt_takes_it(executor, space, output):
    attempt = an_attempt("say early", "await go", "say late", output=output)
    first = asyncio.create_task(executor.execute(replace(attempt, handed_over=lambda: True)))
    await _started(space, attempt)
    first.cancel()
    await asyncio.wait({first})

    second = asyncio.create_task(executor.execute(replace(attempt, number=2)))
    await space.release()
    outcome = await second

    assert first.cancelled()
    assert outcome.status is AttemptStatus.SUCCEEDED
    assert await space.begun(attempt) == 1
    assert len(await space.jobs()) == 1


@pytest.mark.parametrize(("script", "status"), [("exit 0", "succeeded"), ("exit 3", "failed")])
async def test_a_job_that_ended_while_nobody_watched_is_reported_and_not_run_again(
    executor, space, monkeypatch, script, status
):
    attempt = an_attempt("await go", script)
    first = asyncio.create_task(executor.execute(attempt))
    await _started(space, attempt)
    await _lose(first, monkeypatch)
    await space.release()

    async def ended():
        return "conditions" in (await space.job())["status"]

    await eventually(ended, within=10)
    outcome = await executor.execute(replace(attempt, number=2))

    assert outcome.status == status
    assert await space.begun(attempt) == 1


async def test_after_a_failure_the_next_attempt_is_a_new_job(executor, space):
    attempt = an_attempt("exit 1")

    outcomes = [await executor.execute(replace(attempt, number=number)) for number in (1, 2, 3)]

    assert [outcome.code for outcome in outcomes] == ["exit:1"] * 3
    names = sorted(job["metadata"]["name"][-2:] for job in await space.jobs())
    assert names == ["-1", "-2", "-3"]
    assert await space.begun(attempt) == 3


async def test_lost_failed_lost_begins_the_work_twice(executor, space, monkeypatch):
    attempt = an_attempt("await go", "exit 1")
    first = asyncio.create_task(executor.execute(attempt))
    await _started(space, attempt)
    await _lose(first, monkeypatch)
    await space.release()

    failed = await executor.execute(replace(attempt, number=2))
    # Waits for its own release, or it might have ended and been reported before its worker is lost.
    again = replace(attempt, target={**attempt.target, "args": ["await on", "exit 1"]})
    third = asyncio.create_task(executor.execute(replace(again, number=3)))

    async def second_job():
        return len(await space.jobs()) == 2

    await eventually(second_job, within=10)
    await _lose(third, monkeypatch)
    await space.release("on")
    last = await executor.execute(replace(again, number=4))

    assert [failed.code, last.code] == ["exit:1", "exit:1"]
    assert await space.begun(attempt) == 2


async def test_two_workers_that_come_at_once_begin_the_work_once(make_executor, space):
    attempt = an_attempt("await go")
    second = replace(attempt, number=2, output=Written())
    racing = [asyncio.create_task(make_executor().execute(one)) for one in (attempt, second)]
    await _started(space, attempt)

    async def settled():
        return (await space.job())["metadata"]["annotations"]["qs.attempt"] == "2"

    await eventually(settled, within=10)
    await space.release()
    outcomes = await asyncio.gather(*racing)

    assert outcomes[1].status is AttemptStatus.SUCCEEDED
    assert outcomes[0].status in (AttemptStatus.LOST, AttemptStatus.SUCCEEDED)
    assert await space.begun(attempt) == 1


async def test_a_worker_that_was_thought_dead_gives_way(make_executor, space):
    attempt = an_attempt("await go")
    sleeper = asyncio.create_task(make_executor().execute(attempt))
    await _started(space, attempt)
    successor = asyncio.create_task(make_executor().execute(replace(attempt, number=2, output=Written())))

    woken = await sleeper
    await space.release()

    assert woken.status is AttemptStatus.LOST
    assert (await successor).status is AttemptStatus.SUCCEEDED


async def test_a_worker_that_was_thought_dead_removes_nothing_when_it_is_canceled(
    make_executor, space, monkeypatch
):
    attempt = an_attempt("await go")
    first = asyncio.create_task(make_executor().execute(attempt))
    await _started(space, attempt)
    job = await space.job()
    # The watch of the first worker tells it nothing any more, as when it was frozen.
    monkeypatch.setattr("qs.infra.scheduler.executors.kubernetes_following.superseded", lambda number: None)
    await space.order(
        "annotate", job=job["metadata"]["name"], patch={"metadata": {"annotations": {"qs.attempt": "2"}}}
    )

    first.cancel()
    await asyncio.wait({first})

    assert first.cancelled()
    left = await space.job()
    assert "deletionTimestamp" not in left["metadata"]


@pytest.mark.parametrize(
    "labels", [{}, {"qs.execution-id": "someone-elses", "app.kubernetes.io/managed-by": "qs"}]
)
async def test_a_job_of_somebody_else_with_our_name_is_neither_followed_nor_touched(executor, space, labels):
    attempt = an_attempt("say mine")
    name = f"qs-{attempt.execution_id.hex}-1"
    foreign = {"metadata": {"name": name, "labels": labels}, "spec": {}, "status": {}}
    await space.order("put", job=foreign)
    before = await space.job()

    outcome = await executor.execute(attempt)

    assert (outcome.status, outcome.permanent) == (AttemptStatus.FAILED, True)
    assert name in outcome.error
    assert await space.job() == before


async def test_a_job_with_our_execution_but_another_job_id_is_not_ours(executor, space):
    attempt = an_attempt("say mine")
    labels = {
        "app.kubernetes.io/managed-by": "qs",
        "qs.execution-id": str(attempt.execution_id),
        "qs.job-id": "another",
        "qs.tenant-id": str(attempt.tenant_id),
        "qs.ordinal": "9",
    }
    await space.order(
        "put", job={"metadata": {"name": "planted", "labels": labels}, "spec": {}, "status": {}}
    )

    outcome = await executor.execute(attempt)

    assert outcome.status is AttemptStatus.SUCCEEDED
    assert outcome.result["job"].endswith("-1")


async def test_a_new_job_waits_until_the_old_one_is_gone(make_executor, space):
    # So long that its removal is seen.
    executor = make_executor(grace=timedelta(seconds=3))
    attempt = an_attempt("deaf", "await never")
    first = asyncio.create_task(executor.execute(attempt))
    await _started(space, attempt)
    first.cancel()

    async def being_removed():
        return "deletionTimestamp" in (await space.job())["metadata"]

    await eventually(being_removed, within=10)
    second = replace(attempt, number=2, target={**attempt.target, "args": ["say next"]}, output=Written())

    outcome = await executor.execute(second)
    await asyncio.wait({first})

    assert outcome.status is AttemptStatus.SUCCEEDED
    pods = (await space.look())["pods"]
    assert len(pods) == 1


async def test_a_job_that_somebody_removes_has_failed_and_may_be_tried_again(executor, space):
    attempt = an_attempt("await never")
    run = asyncio.create_task(executor.execute(attempt))
    await _started(space, attempt)

    await space.order("remove", job=(await space.job())["metadata"]["name"])
    outcome = await run

    assert (outcome.status, outcome.permanent) == (AttemptStatus.FAILED, False)
    assert "removed" in outcome.error


async def test_without_the_right_to_mark_jobs_a_failure_is_still_reported(executor, space, monkeypatch):
    monkeypatch.setattr("qs.infra.scheduler.executors.kubernetes._MARKED_WITHIN_S", 0.3)
    await space.order("forbid", verb="patch", kind="jobs")

    outcome = await executor.execute(an_attempt("exit 4"))

    assert outcome.code == "exit:4"
