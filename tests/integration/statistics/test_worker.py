"""The real statistics worker, killed in the middle of its work."""

import asyncio
import random
import signal
import sys
from functools import partial

import pytest

from tests.support.processes import clean_environment, running
from tests.support.waiting import eventually


def working(environment, role: str):
    return running(sys.executable, "-m", "workers", role, env=environment, stdout=asyncio.subprocess.DEVNULL)


@pytest.mark.timeout(400)
async def test_a_killed_worker_and_an_emptied_redis_count_every_event_once(ward, settings, redis):
    environment = clean_environment(
        QS_ENV="test",
        QS_HOME=str(settings.home),
        QS_SECRET_KEY=settings.secret_key,
        QS_DATABASE_URL=settings.database.url,
        QS_REDIS_URL=settings.redis.url,
    )

    async def some_counted(beyond: int) -> bool:
        return bool(await acknowledged(ward) > beyond)

    async def all_counted() -> bool:
        left = await ward.truth.fetchval(
            "SELECT count(*) FROM outbox o WHERE name = 'EnrollmentJoined' AND NOT EXISTS"
            " (SELECT FROM inbox i WHERE i.event_id = o.id AND i.subscriber = 'statistics' AND i.state = 'done')"
        )
        return bool(left == 0 and await ward.mending.good(ward.tenant_id))

    async with working(environment, "relay") as relay:
        for number in range(4):
            async with working(environment, "statistics"):
                before = await acknowledged(ward)
                await ward.enroll_many(await ward.plan(), 300)
                await eventually(partial(some_counted, before), within=90)
                await asyncio.sleep(random.uniform(0, 0.05))
                if number % 2:
                    await redis.flushall()

        async with working(environment, "statistics") as worker:
            await eventually(all_counted, within=90)
            for process in (worker, relay):
                process.send_signal(signal.SIGTERM)
                assert await asyncio.wait_for(process.wait(), 60) == 0

    assert await ward.agrees()
    await ward.sync()
    assert (await ward.validate())["status"] == "consistent"


async def acknowledged(ward) -> int:
    return int(await ward.truth.fetchval("SELECT count(*) FROM inbox WHERE subscriber = 'statistics'"))
