"""What every executor promises, held against real targets."""

import asyncio
import importlib
import json
import pkgutil
from datetime import timedelta
from typing import Any

import pytest

from qs.application.scheduler.executors import AttemptStatus
from tests.conformance import rigs
from tests.conformance.rigs.rig import GREETING, SECRET, TRACEPARENT, Rig, Target, an_attempt, output_of
from tests.support.waiting import eventually

KINDS = sorted(module.name for module in pkgutil.iter_modules(rigs.__path__) if module.name != "rig")

# What a body of a request may hold that nobody expects.
JUNK = [
    {"": ""},
    {"url": None, "command": None},
    {"url": ["https://example.org"], "command": {"name": "x"}},
    {"url": "\ud800", "command": "\ud800", "image": "\ud800"},
    {"url": "https://example.org/\0", "command": "a\0b"},
    {"url": "x" * 100_000, "command": "x" * 100_000},
    {"headers": [], "params": [], "body": {"a": float("nan")}},
    {"headers": {"a": 1}, "params": {"a": None}, "success": [[]], "async": "yes", "timeout": -1},
    {f"key{number}": number for number in range(1000)},
]


@pytest.fixture(params=KINDS)
async def rig(request, tmp_path):
    module = importlib.import_module(f"tests.conformance.rigs.{request.param}")
    async with module.rig(tmp_path) as rig:
        yield rig


def _needs(target: Target | None) -> Target:
    if target is None:
        pytest.skip("targets of this kind know no secrets")
    return target


def _nested(levels: int) -> Target:
    target: dict[str, Any] = {"url": "https://example.org", "command": "x", "body": 1}
    for _ in range(levels):
        target["body"] = [target["body"]]
    return target


def test_every_rig_is_found():
    assert {"command", "http"} <= set(KINDS)


async def test_it_has_a_kind_and_a_scope_of_its_own(rig, request):
    assert rig.executor.kind == request.node.callspec.params["rig"]
    assert rig.executor.scope is None or rig.executor.scope == f"jobs:{rig.executor.kind}"


async def test_nothing_is_wrong_with_a_target_that_can_run(rig):
    for target in (rig.succeeding, rig.failing, rig.hanging, rig.telling):
        assert list(rig.executor.check(target)) == []


async def test_every_problem_of_a_target_is_told_with_where_it_is(rig):
    for target, pointer in rig.wrong:
        problems = rig.executor.check(target)

        assert pointer in [problem.pointer for problem in problems], target
        assert all(problem.detail for problem in problems)


async def test_no_target_however_odd_makes_the_check_fail(rig):
    for target in [{}, *JUNK, _nested(10_000)]:
        problems = rig.executor.check(target)

        assert problems
        for problem in problems:
            assert len(problem.pointer) + len(problem.detail) < 10_000
            json.dumps([problem.pointer, problem.detail]).encode()


async def test_what_does_not_pass_the_check_is_not_run(rig):
    for target, _ in rig.wrong:
        outcome = await rig.executor.execute(an_attempt(target))

        assert outcome.status is AttemptStatus.FAILED
        assert outcome.permanent
        assert outcome.code
        assert outcome.error


async def test_a_success_is_told_and_its_output_kept(rig):
    attempt = an_attempt(rig.succeeding)

    outcome = await rig.executor.execute(attempt)

    assert (outcome.status, outcome.error) == (AttemptStatus.SUCCEEDED, None)
    assert GREETING in output_of(attempt).data
    assert len(json.dumps(outcome.result)) <= 16 * 1024


async def test_a_failure_worth_another_attempt_is_told_with_its_code(rig):
    outcome = await rig.executor.execute(an_attempt(rig.failing))

    assert outcome.status is AttemptStatus.FAILED
    assert not outcome.permanent
    assert outcome.code
    assert outcome.error
    assert len(json.dumps(outcome.result)) <= 16 * 1024


async def test_a_failure_that_would_come_again_is_permanent(rig):
    outcome = await rig.executor.execute(an_attempt(rig.failing_for_good))

    assert (outcome.status, outcome.permanent) == (AttemptStatus.FAILED, True)


async def test_it_ends_when_the_time_is_up_and_nothing_goes_on(rig):
    async with asyncio.timeout(30):
        outcome = await rig.executor.execute(an_attempt(rig.hanging, timeout=timedelta(seconds=1)))

    assert (outcome.status, outcome.code, outcome.permanent) == (AttemptStatus.TIMED_OUT, "timeout", False)
    await eventually(lambda: _none_of(rig), within=10)


async def test_a_cancellation_ends_what_was_begun_and_goes_on_its_way(rig):
    running = asyncio.create_task(rig.executor.execute(an_attempt(rig.hanging)))
    await eventually(rig.running)

    running.cancel()
    async with asyncio.timeout(30):
        with pytest.raises(asyncio.CancelledError):
            await running

    await eventually(lambda: _none_of(rig), within=10)


async def test_one_that_is_canceled_before_it_has_begun_never_begins(rig):
    running = asyncio.create_task(rig.executor.execute(an_attempt(rig.hanging)))
    await asyncio.sleep(0)

    running.cancel()
    async with asyncio.timeout(30):
        with pytest.raises(asyncio.CancelledError):
            await running

    await eventually(lambda: _none_of(rig), within=10)


async def test_the_target_is_told_which_attempt_of_which_execution_it_is(rig):
    attempt = an_attempt(rig.telling, number=3)

    outcome = await rig.executor.execute(attempt)

    assert outcome.status is AttemptStatus.SUCCEEDED, outcome
    assert dict(rig.told(attempt)) == {
        "execution_id": str(attempt.execution_id),
        "job_id": str(attempt.job_id),
        "job_name": attempt.job_name,
        "scheduled_at": "2026-03-09T10:30:00Z",
        "attempt": "3",
        "idempotency_key": attempt.idempotency_key,
        "traceparent": TRACEPARENT,
        "payload": attempt.payload,
    }


async def test_without_a_slot_and_a_trace_the_target_is_told_of_none(rig):
    attempt = an_attempt(rig.telling, scheduled_at=None, traceparent=None)

    await rig.executor.execute(attempt)

    told = rig.told(attempt)
    assert (told["scheduled_at"], told["traceparent"]) == (None, None)


async def test_several_at_once_do_not_mix(rig):
    attempts = [an_attempt(rig.telling, number=number) for number in range(1, 6)]

    outcomes = await asyncio.gather(*(rig.executor.execute(attempt) for attempt in attempts))

    assert {outcome.status for outcome in outcomes} == {AttemptStatus.SUCCEEDED}
    for attempt in attempts:
        assert rig.told(attempt)["execution_id"] == str(attempt.execution_id)
        assert rig.told(attempt)["attempt"] == str(attempt.number)


async def test_a_secret_reaches_the_target_and_no_reader(rig):
    attempt = an_attempt(_needs(rig.secretive))

    outcome = await rig.executor.execute(attempt)

    assert outcome.status is AttemptStatus.SUCCEEDED, outcome
    written = output_of(attempt).data.decode()
    assert "****" in written
    assert SECRET not in written + repr(outcome)


async def test_a_secret_that_nobody_set_fails_the_attempt_for_good(rig):
    outcome = await rig.executor.execute(an_attempt(_needs(rig.lacking)))

    assert (outcome.status, outcome.permanent) == (AttemptStatus.FAILED, True)
    assert "nobody" in (outcome.error or "")


async def test_it_can_be_closed_twice(rig):
    await rig.executor.aclose()
    await rig.executor.aclose()


async def _none_of(rig: Rig) -> bool:
    return await rig.running() == 0
