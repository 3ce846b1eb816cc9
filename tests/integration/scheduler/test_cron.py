"""The clock process as it is run: by `python -m workers cron`, by bare arq, and beside others of its kind."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis

from qs.container import build_container, close
from qs.domain.kernel.ids import PLATFORM_TENANT
from tests.support.own_redis import OwnRedis
from tests.support.processes import PATIENCE_S, clean_environment, running
from tests.support.waiting import eventually
from workers import cron

from .machines import Books, dying_machine

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.timeout(400)

ROLE = ("-m", "workers", "cron")
BARE = ("-m", "arq", "workers.cron.WorkerSettings")

HURRIED = """
import asyncio, sys
from workers import cron
cron.TICK_EVERY_S = 1
"""
# Wake-ups of which arq never comes to tell Redis that they have ended.
SLOW = """
from arq.worker import Worker

async def finish_job(*of):
    print("woken", flush=True)
    await asyncio.Event().wait()

Worker.finish_job = finish_job
"""


def either(changes: str = "") -> pytest.MarkDecorator:
    """Both ways to run the role: as they are, or after changes."""
    commands: list[tuple[str, ...]] = [ROLE, BARE]
    if changes:
        role = "from workers.__main__ import main; sys.exit(main(['cron']))"
        bare = "from arq.cli import cli; cli(['workers.cron.WorkerSettings'])"
        commands = [("-c", changes + role), ("-c", changes + bare)]
    return pytest.mark.parametrize("command", commands, ids=["workers", "arq"])


@pytest.fixture
async def valkey() -> AsyncIterator[OwnRedis]:
    valkey = OwnRedis()
    await valkey.start()
    yield valkey
    await valkey.close()


@pytest.fixture
def books(engine):
    return Books(engine, PLATFORM_TENANT)


@pytest.fixture
def settings(settings, valkey):
    """A sweep that is due every second, so that every look finds one."""
    return msgspec.structs.replace(
        settings,
        redis=msgspec.structs.replace(settings.redis, url=valkey.url),
        clock=msgspec.structs.replace(settings.clock, sweep_every=timedelta(seconds=1)),
    )


def clock_process(settings, *command: str, **options):
    return running(
        sys.executable,
        *command,
        cwd=ROOT,
        env=clean_environment(
            QS_ENV="test",
            QS_HOME=str(settings.home),
            QS_SECRET_KEY=settings.secret_key,
            QS_DATABASE_URL=settings.database.url,
            QS_REDIS_URL=settings.redis.url,
            QS_CLOCK__SWEEP_EVERY="1s",
            PYTHONPATH=str(ROOT),
        ),
        **options,
    )


async def ends_well(process, books: Books) -> bool:
    """Whether it ends with 0 when it is asked to, and says that it has."""
    process.send_signal(signal.SIGTERM)
    code = await asyncio.wait_for(process.wait(), PATIENCE_S)
    return code == 0 and await books.rows("SELECT worker FROM worker_heartbeat") == []


@asynccontextmanager
async def clock_here(settings) -> AsyncIterator[asyncio.Event]:
    """The role in this process; left when it has ended."""
    container, stop = build_container(settings), asyncio.Event()
    running = asyncio.create_task(cron.run(container, stop))
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(running, PATIENCE_S)
        await close(container)


@pytest.fixture
def hurried(monkeypatch):
    """arq wakes the clock every second, and it looks by itself after two."""
    monkeypatch.setattr(cron, "TICK_EVERY_S", 1)


async def swept(books: Books, more_than: int = 0) -> int:
    """How many slots of the sweep were worked on, once they are more."""

    async def count() -> int:
        rows = await books.rows("SELECT id FROM execution WHERE name = 'sweep' AND status = 'succeeded'")
        return len(rows) if len(rows) > more_than else 0

    return await eventually(count, PATIENCE_S)


async def woken_by_arq(valkey: OwnRedis) -> None:
    """Returns when arq has carried a wake-up through this Redis, which was started empty."""
    client = Redis.from_url(valkey.url)
    try:
        await eventually(lambda: client.keys("arq:in-progress:tick:*"), PATIENCE_S)
    finally:
        await client.aclose()


async def each_slot_was_fired_once(books: Books) -> bool:
    rows = await books.rows("SELECT name, scheduled_at FROM execution WHERE attempt = 1 ORDER BY id")
    return len(rows) == len({(row.name, row.scheduled_at) for row in rows})


@either(HURRIED)
async def test_the_process_fires_the_sweep_survives_a_redis_restart_and_ends_on_sigterm(
    settings, valkey, books, command
):
    async with clock_process(settings, *command) as process:
        fired = await swept(books)
        await woken_by_arq(valkey)

        await valkey.kill()
        await valkey.start()
        await woken_by_arq(valkey)
        await swept(books, more_than=fired)

        assert process.returncode is None
        assert await ends_well(process, books)
    assert await each_slot_was_fired_once(books)


@either(HURRIED + SLOW)
async def test_the_process_ends_well_on_a_sigterm_that_comes_in_the_middle_of_a_wake_up(
    settings, books, command
):
    async with clock_process(settings, *command, stdout=asyncio.subprocess.PIPE) as process:
        async with asyncio.timeout(PATIENCE_S):
            while await process.stdout.readline() != b"woken\n":
                pass

        assert await ends_well(process, books)


@either()
async def test_the_process_ends_well_on_a_sigterm_that_comes_while_redis_is_away(
    settings, valkey, books, command
):
    async with clock_process(settings, *command) as process:
        await swept(books)

        await valkey.kill()

        assert await ends_well(process, books)


async def test_every_duty_is_caught_up_at_the_start(settings, books):
    async with clock_here(settings):
        await swept(books)

        async def names() -> bool:
            return {slot.name for slot in await books.slots()} == {
                "sweep",
                "expiry",
                "sync-daily",
                "sync-accumulated",
                "sync-plan",
                "validate",
                "retention",
            }

        await eventually(names)


async def test_the_clock_goes_on_while_redis_is_away(settings, valkey, books, hurried):
    async with clock_here(settings):
        fired = await swept(books)

        await valkey.kill()
        during = await swept(books, more_than=fired + 1)

        await valkey.start()
        await woken_by_arq(valkey)
        await swept(books, more_than=during)
    assert await each_slot_was_fired_once(books)


async def test_the_clock_starts_without_redis(settings, valkey, books, hurried):
    await valkey.kill()

    async with clock_here(settings):
        await swept(books)


async def test_clocks_side_by_side_fire_each_slot_once(settings, books, hurried):
    async with clock_here(settings), clock_here(settings), clock_here(settings):
        await swept(books, more_than=3)

    assert await each_slot_was_fired_once(books)
    assert {row.status for row in await books.executions()} == {"succeeded"}


async def test_a_clock_that_is_switched_off_recovers_the_lost_and_fires_nothing(
    settings, engine, books, hurried
):
    switched_off = msgspec.structs.replace(
        settings, clock=msgspec.structs.replace(settings.clock, internal=False)
    )
    dying, (execution_id,) = await dying_machine(engine)

    async with clock_here(switched_off):
        row = await Books(engine).ended(execution_id)
        await Books(engine).ended(row.retried_as)
    await dying.drain(timedelta(0))

    assert row.status == "lost"
    assert await books.slots() == []


async def test_a_look_that_was_begun_is_finished_although_arq_has_stopped_in_the_middle_of_it(
    settings, hurried
):
    container, stop = build_container(settings), asyncio.Event()
    begun, may_end, ends = asyncio.Event(), asyncio.Event(), []

    class Firing:
        looks = 0

        async def fire_due(self) -> None:
            self.looks += 1
            if self.looks > 1:
                begun.set()
                try:
                    await may_end.wait()
                except asyncio.CancelledError:
                    ends.append("broken off")
                    raise
                ends.append("finished")

    async def arq_has_stopped() -> bool:
        return all(task.get_name() != "arq" for task in asyncio.all_tasks())

    with container.duty_firing.override(Firing()):
        running = asyncio.create_task(cron.run(container, stop))
        await asyncio.wait_for(begun.wait(), PATIENCE_S)
        stop.set()
        await eventually(arq_has_stopped, PATIENCE_S)
        may_end.set()
        await asyncio.wait_for(running, PATIENCE_S)
    await close(container)

    assert ends == ["finished"]


async def test_no_wake_up_is_pickled(settings, valkey, books, hurried):
    client = Redis.from_url(valkey.url)

    async def a_wake_up() -> bytes:
        keys = await client.keys("arq:job:tick:*")
        # What was there a moment ago may have been carried out and removed by now.
        found = [await client.get(key) for key in keys]
        return next(filter(None, found), b"")

    async with clock_here(settings):
        message = await eventually(a_wake_up, PATIENCE_S)
    await client.aclose()

    assert msgspec.json.decode(message)["f"] == "tick"
