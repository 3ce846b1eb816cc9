"""``qs events``, ``qs notifications`` and ``qs alerts`` in a terminal."""

import asyncio
import json
import signal
import sys

import pytest

from qs.domain.kernel.ids import DEFAULT_TENANT
from tests.support.command_line import called
from tests.support.events import in_stream, publish_all, record_opened
from tests.support.processes import PATIENCE_S, clean_environment, running

TAIL = ("events", "tail", "-f", "--after", "0", "--json")

# The program `qs` where SIGINT is ignored, as a shell without job control has it for `qs … &`, and where a read that is
# canceled keeps its answer, as asyncio.wait_for of Python 3.11 does with one that comes in the same moment.
UNLUCKY = """
import asyncio, signal
from contextlib import suppress
from qs.application.kernel.feed import EventFeed
from qs.interface.cli.main import run

read = EventFeed.read

async def unlucky(feed, *of):
    page = await read(feed, *of)
    if not page.events:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    return page

EventFeed.read = unlucky
signal.signal(signal.SIGINT, signal.SIG_IGN)
run()
"""


@pytest.fixture
def environment(settings):
    return {
        "QS_ENV": "test",
        "QS_HOME": str(settings.home),
        "QS_SECRET_KEY": settings.secret_key,
        "QS_DATABASE_URL": settings.database.url,
        "QS_REDIS_URL": settings.redis.url,
    }


def at_work(environment, *arguments: str):
    pipe = asyncio.subprocess.PIPE
    return running(
        sys.executable, "-P", *arguments, env=clean_environment(**environment), stdout=pipe, stderr=pipe
    )


async def call(environment, *arguments: str) -> tuple[int, str, str]:
    done = await asyncio.to_thread(called, environment, *arguments)
    return done.returncode, done.stdout, done.stderr


async def interrupted(process, after: int) -> tuple[list[bytes], bytes]:
    """What it wrote to stdout, which is that many lines, and to stderr, once it has ended after one SIGINT."""
    async with asyncio.timeout(PATIENCE_S):
        lines = [await process.stdout.readline() for _ in range(after)]
        process.send_signal(signal.SIGINT)
        rest, err = await process.communicate()
    return [*lines, *rest.splitlines()], err


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
    async with at_work(environment, "-m", "qs", *TAIL) as process:
        await record_opened(engine, 2)
        await publish_all(engine, redis)

        lines, err = await interrupted(process, after=2)

    assert [int(json.loads(line)["sequence"]) for line in lines] == [1, 2]
    assert (process.returncode, err) == (0, b"")


async def test_tail_is_interrupted_in_the_background_of_a_script_and_though_its_cancellation_is_lost(
    environment, engine, redis
):
    await record_opened(engine, 2)
    await publish_all(engine, redis)

    async with at_work(environment, "-c", UNLUCKY, *TAIL) as process:
        lines, err = await interrupted(process, after=2)

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


async def test_open_alerts_are_listed_with_the_command_that_explains_them(environment, truth):
    await truth.execute(
        "INSERT INTO staff_alert (tenant_id, id, kind, subject, cause, facts, count, untold, first_seen_at, last_seen_at,"
        " recovered_at) SELECT $1, gen_random_uuid(), 'missed_openings', s, 'c', '{\"task_id\": \"t-1\"}', 3, 3, qs_now(),"
        " qs_now(), CASE WHEN s = 'plan-2' THEN qs_now() END FROM unnest(ARRAY['plan-1', 'plan-2']) s",
        DEFAULT_TENANT,
    )

    code, out, _ = await call(environment, "alerts", "list", "--json")
    every, table, _ = await call(environment, "alerts", "list", "--all")
    wrong, _, error = await call(environment, "alerts", "list", "--kind", "weather")

    [item] = json.loads(out)["items"]
    assert (code, item["subject"], item["count"]) == (0, "plan-1", 3)
    assert item["explain"] == "qs task explain t-1"
    assert every == 0
    assert "plan-2" in table
    assert wrong == 2
    assert "--kind must be one of missed_in_a_row" in error


async def test_a_notification_that_is_not_there_ends_with_1(environment):
    missing = "0198f0c2-7a31-7c55-9f0e-1d2c3b4a5968"

    code, out, err = await call(environment, "notifications", "show", missing)

    assert (code, out) == (1, "")
    assert "there is no notification of that id" in err
