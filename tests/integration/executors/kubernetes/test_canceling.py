"""An attempt that is canceled: its Job and its pods are gone before the cancellation goes on."""

import asyncio
from datetime import timedelta

import pytest

from qs.application.scheduler.executors import AttemptOutcome, AttemptStatus
from qs.infra.scheduler.executors.kubernetes import KubernetesExecutor
from tests.integration.executors.kubernetes.clusters import Space, an_attempt
from tests.support.waiting import eventually


async def _running(
    executor: KubernetesExecutor, space: Space, *script: str
) -> "asyncio.Task[AttemptOutcome]":
    attempt = an_attempt(*script)
    task = asyncio.create_task(executor.execute(attempt))

    async def streaming():
        return any("containerStatuses" in pod["status"] for pod in (await space.look())["pods"])

    await eventually(streaming, within=15)
    return task


async def _canceled(task: "asyncio.Task[AttemptOutcome]") -> None:
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_a_canceled_job_and_its_pod_are_gone(executor, space):
    task = await _running(executor, space, "await never")

    await _canceled(task)

    left = await space.look()
    assert (left["jobs"], left["pods"]) == ([], [])
    assert left["calls"]["delete jobs"] == 1


async def test_a_pod_that_does_not_heed_term_is_killed_after_the_grace(executor, space):
    task = await _running(executor, space, "deaf", "await never")
    begun = asyncio.get_running_loop().time()

    await _canceled(task)

    assert asyncio.get_running_loop().time() - begun >= 1.0
    assert await space.jobs() == []


async def test_a_cancellation_while_the_job_is_being_made_leaves_nothing(executor, space):
    await space.fault("create", delay=0.3)
    attempt = an_attempt("await never")
    task = asyncio.create_task(executor.execute(attempt))

    async def asked():
        return (await space.look())["calls"].get("create jobs")

    await eventually(asked, within=10)
    await _canceled(task)

    assert await space.jobs() == []
    assert await space.begun(attempt) == 1


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 409, "reason": "Conflict"}, {"cut": True}])
async def test_a_trouble_while_it_is_removed_is_overcome(executor, space, fault):
    task = await _running(executor, space, "await never")
    await space.fault("delete", count=2, **fault)

    await _canceled(task)

    assert await space.jobs() == []


async def test_a_cancellation_is_not_held_up_by_an_api_server_that_is_away(make_executor, space, monkeypatch):
    monkeypatch.setattr("qs.infra.scheduler.executors.kubernetes._REMOVAL_S", 0.0)
    executor = make_executor(grace=timedelta(seconds=0.5))
    task = await _running(executor, space, "await never")
    for verb in ("list", "get", "delete"):
        await space.fault(verb, count=1000, status=503)
    begun = asyncio.get_running_loop().time()

    await _canceled(task)

    assert asyncio.get_running_loop().time() - begun < 5


async def test_a_timeout_is_told_although_the_pod_takes_longer_to_end(make_executor, space, monkeypatch):
    """Its Job is being removed by then, so that the next attempt makes no other beside it."""
    module = "qs.infra.scheduler.executors.kubernetes"
    monkeypatch.setattr(f"{module}._SLACK_S", 0.2)
    monkeypatch.setattr(f"{module}._REMOVAL_AFTER_TIMEOUT_S", 0.5)
    executor = make_executor(grace=timedelta(seconds=60))
    attempt = an_attempt("deaf", "await never", timeout=timedelta(seconds=3))

    async with asyncio.timeout(10):
        outcome = await executor.execute(attempt)

    assert outcome.status is AttemptStatus.TIMED_OUT
    assert "the time of 3 s ran out" in (outcome.error or "")
    [job] = await space.jobs()
    assert job["metadata"]["deletionTimestamp"]


async def test_who_cancels_twice_does_not_wait(executor, space):
    task = await _running(executor, space, "await never")
    await space.fault("list", count=1000, status=503)
    task.cancel()
    await asyncio.sleep(0.05)

    task.cancel()
    # Far less than it takes to wait for a pod that nobody can see.
    _, pending = await asyncio.wait({task}, timeout=4)

    assert not pending
    assert task.cancelled()
