"""The real executions worker sends notices, and one that is killed leaves them to the next."""

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from qs.application.scheduler.job_documents import read_job
from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from tests.integration.jobs.nodes import ACTOR
from tests.support.processes import clean_environment, kill, running
from tests.support.receivers import HANG
from tests.support.waiting import eventually

from .desk import verified


@pytest.fixture
def environment(settings: Any) -> Mapping[str, str]:
    return clean_environment(
        QS_ENV="test",
        QS_HOME=str(settings.home),
        QS_SECRET_KEY=settings.secret_key,
        QS_DATABASE_URL=settings.database.url,
        QS_REDIS_URL=settings.redis.url,
        QS_LOG_FORMAT="json",
        QS_NOTIFICATION__WEBHOOK__SECRETS=json.dumps(settings.notification.webhook.secrets),
        QS_NOTIFICATION__TIMEOUT_S="60",
        QS_SCHEDULER__DEFAULTS__WEBHOOK=settings.scheduler.defaults.webhook,
        QS_OUTBOUND__ALLOW_NETWORKS="127.0.0.0/8",
    )


async def test_a_killed_worker_leaves_its_notice_to_the_next_one_under_the_same_id(
    container: Container, web, truth, environment
):
    # A report to nobody fails for good.
    job = await container.job_authoring().create(
        DEFAULT_TENANT,
        read_job({"name": "task:daily-report", "type": "cron", "schedule": "0 2 * * *"}),
        actor=ACTOR,
    )
    await container.job_operating().run(DEFAULT_TENANT, job.id, actor=ACTOR)
    web.answers = [HANG]

    async def arrived() -> bool:
        return bool(web.received)

    async def sent() -> Any:
        return await truth.fetchval("SELECT count(*) FROM job_notice WHERE status = 'sent'")

    async with working(environment) as first:
        await eventually(arrived)
        kill(first)
        await first.wait()
    [attempts] = [row["attempts"] for row in await truth.fetch("SELECT attempts FROM job_notice")]
    await truth.execute("UPDATE job_notice SET next_attempt_at = clock_timestamp()")
    async with working(environment) as second:
        await eventually(sent)
        second.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(second.wait(), 60) == 0

    before, after = web.received
    assert attempts == 1
    assert before.target == "/notifications/default"
    assert before.headers["webhook-id"] == after.headers["webhook-id"]
    assert verified(before) == verified(after)
    assert after.json["kind"] == "failure"
    assert "qs tenant set" in after.json["error"]
    # What the worker counted is there after it has gone.
    measured = await container.job_meter().read()
    assert measured.notices["webhook", "sent"] == 1


def working(environment: Mapping[str, str]) -> Any:
    return running(
        sys.executable, "-m", "workers", "executions", env=environment, stdout=asyncio.subprocess.DEVNULL
    )
