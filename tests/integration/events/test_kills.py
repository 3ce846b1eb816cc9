"""A handler that kills its process, and processes killed for no fault of their own."""

import asyncio
import signal
import sys

from tests.support.events import publish_all, record_opened


async def _start(database_url: str, redis_url: str, position: int):
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.subscriber_process",
        database_url,
        redis_url,
        str(position),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def _release_claims(truth) -> None:
    """As if the leases of those who died had run out."""
    await truth.execute("UPDATE inbox_attempt SET next_attempt_at = clock_timestamp()")


async def test_an_event_that_kills_its_process_is_buried_after_five_attempts(
    engine, redis, truth, effects, database_url, redis_url
):
    await record_opened(engine, 5)
    await publish_all(engine, redis)
    kills = 0
    while not await truth.fetchval("SELECT count(*) FROM inbox WHERE state = 'dead'"):
        process = await _start(database_url, redis_url, 3)
        try:
            while process.returncode is None:
                await _release_claims(truth)
                if await truth.fetchval("SELECT count(*) FROM inbox WHERE state = 'dead'"):
                    process.kill()
                try:
                    await asyncio.wait_for(process.wait(), 0.05)
                except TimeoutError:
                    continue
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == -signal.SIGKILL
        kills += 1
        assert kills < 10

    dead = await truth.fetchrow("SELECT event_id, error FROM inbox WHERE state = 'dead'")
    assert dead["event_id"] == await truth.fetchval("SELECT id FROM outbox WHERE position = 3")
    assert dead["error"] == "the process ended while handling it"
    # One in the first batch, one counted together with its neighbours, four alone, and ours at the end.
    assert kills == 1 + 5 + 1
    assert await effects() == (4, 4)


async def test_a_worker_killed_at_any_moment_leaves_no_event_out_and_none_doubled(
    engine, redis, truth, effects, database_url, redis_url
):
    await record_opened(engine, 1000)
    await publish_all(engine, redis)

    kills, reached = 0, 0
    while (await effects())[1] < 1000:
        process = await _start(database_url, redis_url, 0)
        reached += 150
        try:
            async with asyncio.timeout(30):
                while (await effects())[1] < min(reached, 1000):
                    await _release_claims(truth)
        finally:
            process.kill()
            await process.wait()
        kills += 1

    assert kills >= 3
    assert await effects() == (1000, 1000)
