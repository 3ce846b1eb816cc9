"""``qs events`` and ``qs notifications`` in a terminal."""

import asyncio
import json
import signal
import sys

import pytest

from tests.support.events import in_stream, publish_all, record_opened
from tests.support.processes import clean_environment


@pytest.fixture
def environment(settings):
    return clean_environment(
        QS_ENV="test",
        QS_HOME=str(settings.home),
        QS_SECRET_KEY=settings.secret_key,
        QS_DATABASE_URL=settings.database.url,
        QS_REDIS_URL=settings.redis.url,
    )


async def start(environment, *arguments: str) -> asyncio.subprocess.Process:
    command = (sys.executable, "-P", "-m", "qs", *arguments)
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, env=environment, stdout=pipe, stderr=pipe)


async def call(environment, *arguments: str) -> tuple[int, str, str]:
    process = await start(environment, *arguments)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_tail_shows_the_newest_events_one_a_line(environment, engine, redis):
    await record_opened(engine, 25)
    await publish_all(engine, redis)

    code, out, err = await call(environment, "events", "tail", "--json")
    _, plain, _ = await call(environment, "events", "tail", "--after", "23")
    _, planned, _ = await call(environment, "events", "tail", "--after", "23", "--context", "plan")
    _, none, _ = await call(environment, "events", "tail", "--context", "scheduler")

    assert (code, err) == (0, "")
    assert [int(json.loads(line)["sequence"]) for line in out.splitlines()] == list(range(6, 26))
    assert [line.split()[0] for line in plain.splitlines()] == ["24", "25"]
    assert "TaskOpened" in plain
    assert (planned, none) == (plain, "")


async def test_tail_follows_until_it_is_interrupted(environment, engine, redis):
    process = await start(environment, "events", "tail", "-f", "--after", "0", "--json")
    await record_opened(engine, 2)
    await publish_all(engine, redis)

    assert process.stdout is not None
    async with asyncio.timeout(30):
        lines = [await process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()

    assert [int(json.loads(line)["sequence"]) for line in lines] == [1, 2]
    assert (process.returncode, err) == (0, b"")


async def test_replay_publishes_again_and_says_how_many(environment, engine, redis):
    await record_opened(engine, 3)
    await publish_all(engine, redis)

    code, out, _ = await call(environment, "events", "replay", "--after", "1", "--json")

    assert code == 0
    assert json.loads(out) == {"published": 2, "revived": 0, "next_after": None}
    assert len(await in_stream(redis)) == 5


async def test_notifications_are_listed(environment):
    code, out, _ = await call(environment, "notifications", "list", "--json")

    assert (code, json.loads(out)) == (0, {"items": []})


async def test_a_notification_that_is_not_there_ends_with_1(environment):
    missing = "0198f0c2-7a31-7c55-9f0e-1d2c3b4a5968"

    code, out, err = await call(environment, "notifications", "show", missing)

    assert (code, out) == (1, "")
    assert "there is no notification of that id" in err
