"""The real worker processes, killed while receivers fail half the time."""

import asyncio
import random
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from qs.settings import Settings
from tests.integration.webhooks.desk import Desk, verified
from tests.support.processes import clean_environment, running
from tests.support.receivers import WebReceiver
from tests.support.waiting import eventually

_EVENTS = 20
_KILLS = 1
# What was under way to the endpoint, and what ended and was not written yet.
_LOST_BY_A_KILL = 10 + 10


@pytest.fixture
def environment(settings: Settings) -> Mapping[str, str]:
    return clean_environment(
        QS_ENV="test",
        QS_HOME=str(settings.home),
        QS_SECRET_KEY=str(settings.secret_key),
        QS_DATABASE_URL=str(settings.database.url),
        QS_REDIS_URL=str(settings.redis.url),
        QS_LOG_FORMAT="json",
        QS_NOTIFICATION__CHANNELS="log",
        QS_WEBHOOKS__BACKOFF_S="0.02",
        QS_WEBHOOKS__BACKOFF_MAX_S="0.1",
        QS_WEBHOOKS__PROBE_MAX_S="0.1",
        QS_OUTBOUND__ALLOW_NETWORKS="127.0.0.0/8",
    )


def working(environment: dict[str, str]) -> AbstractAsyncContextManager[Any]:
    return running(
        sys.executable, "-m", "workers", "notifications", env=environment, stdout=asyncio.subprocess.DEVNULL
    )


@pytest.mark.timeout(400)
async def test_killed_workers_lose_no_event_and_repeat_few_under_their_ids(
    desk: Desk, web: WebReceiver, environment: dict[str, str]
) -> None:
    made = await desk.endpoint(web.url)
    web.answers = [random.choice([200, 500]) for _ in range(_EVENTS * 2)]
    accepted_before = list(web.answers)

    async def all_sent() -> bool:
        return len(await desk.deliveries("sent")) == _EVENTS

    await desk.plans(_EVENTS)
    await desk.fan_out()
    for _ in range(_KILLS):
        wanted = len(web.received) + random.randint(1, 12)

        async def some_arrived(wanted: int = wanted) -> bool:
            return len(web.received) >= min(wanted, _EVENTS)

        async with working(environment):
            await eventually(some_arrived, within=90)
        # As if the leases of the one that died had run out.
        await desk.due_now()
    async with working(environment) as worker:
        await eventually(all_sent, within=90)
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(worker.wait(), 60) == 0

    assert all(verified(received, made.secret) for received in web.received)
    times = Counter(received.headers["webhook-id"] for received in web.received)
    assert set(times) == {str(row["event_id"]) for row in await desk.deliveries()}
    refused = accepted_before[: len(web.received)].count(500)
    assert len(web.received) - refused - _EVENTS <= _KILLS * _LOST_BY_A_KILL
