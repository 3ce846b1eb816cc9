"""The real worker processes, killed and stopped."""

import asyncio
import json
import random
import signal
import sys
from collections import Counter

import pytest

from tests.support.processes import clean_environment, running
from tests.support.waiting import eventually


@pytest.fixture
def environment(settings, web):
    return clean_environment(
        QS_ENV="test",
        QS_HOME=str(settings.home),
        QS_SECRET_KEY=settings.secret_key,
        QS_DATABASE_URL=settings.database.url,
        QS_REDIS_URL=settings.redis.url,
        QS_ENTRY_BASE_URL=settings.entry.base_url,
        QS_LOG_FORMAT="json",
        QS_NOTIFICATION__CHANNELS="webhook",
        QS_NOTIFICATION__WEBHOOK__URL=web.url,
        QS_NOTIFICATION__WEBHOOK__SECRETS=json.dumps(settings.notification.webhook.secrets),
        QS_NOTIFICATION__TIMEOUT_S="10",
        QS_OUTBOUND__ALLOW_NETWORKS="127.0.0.0/8",
    )


def working(environment, role: str):
    return running(sys.executable, "-m", "workers", role, env=environment, stdout=asyncio.subprocess.DEVNULL)


@pytest.mark.timeout(400)
async def test_killed_workers_lose_no_message_and_repeat_few(clinic, web, environment):
    plan_id = await clinic.plan()
    kills = 0

    async def all_sent():
        return await clinic.truth.fetchval("SELECT count(*) FROM delivery WHERE status = 'sent'") == 40

    async with working(environment, "relay") as relay:
        for _ in range(40):
            await clinic.opened(await clinic.testee(), plan_id)
        while kills < 3:
            before = len(web.received)

            async def some_arrived(before=before, kills=kills):
                # Nothing may be left to arrive, and yet it is seen at work before it is killed.
                seen = await clinic.truth.fetchval(
                    "SELECT count(*) FROM worker_heartbeat WHERE role = 'notifications'"
                )
                return seen > kills and len(web.received) >= min(40, before + random.randint(1, 12))

            async with working(environment, "notifications"):
                await eventually(some_arrived, within=90)
            kills += 1
            # As if the leases of the one that died had run out.
            await clinic.truth.execute(
                "UPDATE delivery SET next_attempt_at = clock_timestamp() WHERE status = 'sending'"
            )
        async with working(environment, "notifications") as worker:
            await eventually(all_sent, within=90)
            for process in (worker, relay):
                process.send_signal(signal.SIGTERM)
                assert await asyncio.wait_for(process.wait(), 60) == 0

    times = Counter(received.headers["webhook-id"] for received in web.received)
    assert set(times) == {str(row["id"]) for row in await clinic.deliveries()}
    assert len(times) == 40
    # At most what each of those killed was sending at once.
    assert sum(times.values()) - 40 <= kills * 10
    assert await clinic.truth.fetchval("SELECT count(*) FROM worker_heartbeat") == kills
