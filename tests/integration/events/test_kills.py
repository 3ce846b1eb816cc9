"""A handler that kills its process, and processes killed for no fault of their own."""

import asyncio
import signal
import sys
from contextlib import suppress

import pytest

from tests.support.events import publish_all, record_opened
from tests.support.processes import kill, running


def _subscriber(database_url: str, redis_url: str, *numbers: int):
    return running(
        sys.executable,
        "-m",
        "tests.support.subscriber_process",
        database_url,
        redis_url,
        *numbers,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def _release_claims(truth) -> None:
    """As if the leases of those who died had run out. What a living process is writing to is left alone."""
    await truth.execute(
        "WITH free AS MATERIALIZED ("
        "  SELECT subscriber, event_id FROM inbox_attempt ORDER BY event_id FOR UPDATE SKIP LOCKED"
        ") UPDATE inbox_attempt a SET next_attempt_at = clock_timestamp() FROM free"
        " WHERE (a.subscriber, a.event_id) = (free.subscriber, free.event_id)"
    )


async def test_an_event_that_kills_its_process_is_buried_after_five_attempts(
    engine, redis, truth, effects, database_url, redis_url
):
    await record_opened(engine, 5)
    await publish_all(engine, redis)

    async def settled() -> bool:
        return bool(await truth.fetchval("SELECT count(*) = 5 FROM inbox"))

    kills = 0
    while not await settled():
        async with _subscriber(database_url, redis_url, 3) as process:
            while process.returncode is None:
                await _release_claims(truth)
                if await settled():
                    kill(process)
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), 0.05)
        assert process.returncode == -signal.SIGKILL
        kills += 1
        assert kills < 10

    dead = await truth.fetchrow("SELECT event_id, error FROM inbox WHERE state = 'dead'")
    assert dead["event_id"] == await truth.fetchval("SELECT id FROM outbox WHERE position = 3")
    assert dead["error"] == "the process ended while handling it"
    # One in the first batch, one counted together with its neighbours, four alone, and ours at the end.
    assert kills == 1 + 5 + 1
    assert await effects() == (4, 4)


@pytest.mark.timeout(400)
async def test_a_worker_killed_at_any_moment_leaves_no_event_out_and_none_doubled(
    engine, redis, truth, effects, database_url, redis_url
):
    await record_opened(engine, 1000)
    await publish_all(engine, redis)

    kills, reached = 0, 0
    while (await effects())[1] < 1000:
        # Each would do it alone if the kill came late; so none gets further than a third.
        reached += 150
        async with _subscriber(database_url, redis_url, 0, 300), asyncio.timeout(60):
            while (await effects())[1] < min(reached, 1000):
                await _release_claims(truth)
        kills += 1

    assert kills >= 3
    assert await effects() == (1000, 1000)
