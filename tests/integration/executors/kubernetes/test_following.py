"""A Job is followed through what befalls the connection to the API server."""

import asyncio

import pytest

from qs.application.scheduler.executors import AttemptOutcome, AttemptStatus
from tests.integration.executors.kubernetes.clusters import Space, Written, an_attempt
from tests.support.waiting import eventually


@pytest.fixture
async def run(executor, space, output):
    """A Job that has begun, waits for its release and is watched, and its attempt."""
    attempt = an_attempt("say before", "await go", "say after", "exit 5", output=output)
    task = asyncio.create_task(executor.execute(attempt))

    async def watched():
        return output.text == "before\n" and (await space.look())["streams"] == 3

    await eventually(watched, within=15)
    yield task
    task.cancel()
    await asyncio.wait({task})


async def _ends(run: "asyncio.Task[AttemptOutcome]", space: Space, output: Written) -> None:
    await space.release()
    outcome = await run
    assert (outcome.status, outcome.code) == (AttemptStatus.FAILED, "exit:5")
    assert output.text == "before\nafter\n"


async def _calls(space: Space, name: str) -> int:
    calls: dict[str, int] = (await space.look())["calls"]
    return calls.get(name, 0)


async def test_streams_that_break_are_taken_up_where_they_were(run, space, output):
    lists = await _calls(space, "list jobs")
    for _ in range(3):
        await space.order("cut")

        async def again():
            return (await space.look())["streams"] == 3

        await eventually(again, within=10)

    await _ends(run, space, output)
    # From the version that was known: nothing was listed anew until the end.
    assert await _calls(space, "list jobs") == lists


@pytest.mark.parametrize("as_status", [False, True])
async def test_a_version_that_the_server_has_forgotten_means_listing_anew(run, space, output, as_status):
    await space.order("set", gone_as_status=as_status)
    lists = await _calls(space, "list jobs")
    watches = await _calls(space, "watch jobs")
    await space.fault("watch", status=500, count=1)
    await space.order("cut")
    await space.order("compact", job=(await space.job())["metadata"]["name"])

    async def anew():
        return await _calls(space, "list jobs") > lists and await _calls(space, "watch jobs") > watches + 1

    await eventually(anew, within=10)
    await _ends(run, space, output)


async def test_an_end_that_nobody_was_told_of_is_seen_when_the_watch_is_back(run, space, output):
    await space.fault("watch", count=3, status=503)
    await space.order("cut")

    await _ends(run, space, output)


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_troubles_of_the_server_are_waited_out(run, space, output, status):
    for kind in ("jobs", "pods"):
        await space.fault("watch", kind, count=2, status=status, reason="whatever")
        await space.fault("list", kind, count=1, status=status, reason="whatever")
    await space.fault("log", "pods", count=1, status=status, reason="whatever")
    await space.order("cut")

    await _ends(run, space, output)


async def test_an_account_that_may_not_watch_polls(make_executor, space, output):
    for kind in ("jobs", "pods"):
        await space.order("forbid", verb="watch", kind=kind)

    outcome = await make_executor().execute(an_attempt("say polled", output=output))

    assert outcome.status is AttemptStatus.SUCCEEDED
    assert output.text == "polled\n"


async def test_an_account_that_may_not_read_logs_still_learns_the_outcome(
    make_executor, space, output, monkeypatch
):
    monkeypatch.setattr("qs.infra.scheduler.executors.kubernetes_following._REST_OF_LOG_S", 0.3)
    await space.order("forbid", verb="log", kind="pods")

    outcome = await make_executor().execute(an_attempt("say hidden", output=output))

    assert outcome.status is AttemptStatus.SUCCEEDED
    assert output.text == ""


async def test_a_token_that_is_rotated_is_read_again(run, space, output):
    await space.rotate_token()
    await space.order("cut")

    await _ends(run, space, output)


async def test_streams_that_are_open_outlive_the_token_they_were_opened_with(run, executor, space, output):
    streams = (await space.look())["calls"]["log pods"]
    await space.rotate_token()

    other = await executor.execute(an_attempt("say other"))

    assert other.status is AttemptStatus.SUCCEEDED
    await _ends(run, space, output)
    # Its own and that of the other, no third; the first stream of each sees the container end.
    assert await _calls(space, "log pods") <= streams + 3


async def test_a_token_that_is_rotated_between_two_attempts_is_read_again(executor, space):
    first = await executor.execute(an_attempt())
    await space.rotate_token()

    second = await executor.execute(an_attempt())

    assert (first.status, second.status) == (AttemptStatus.SUCCEEDED, AttemptStatus.SUCCEEDED)


async def test_a_watch_that_says_nothing_is_renewed(make_executor, space, output, monkeypatch):
    monkeypatch.setattr("qs.infra.scheduler.executors.kubernetes_client._WATCH_S", 1)
    attempt = an_attempt("await go", "say on", output=output)
    task = asyncio.create_task(make_executor().execute(attempt))

    async def renewed():
        return await _calls(space, "watch jobs") >= 3

    await eventually(renewed, within=15)
    await space.release()

    assert (await task).status is AttemptStatus.SUCCEEDED
    assert output.text == "on\n"
    assert await _calls(space, "list jobs") == 2
