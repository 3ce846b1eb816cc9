"""Losing Redis costs latency only: plans, tasks and the sweep go on, and the events wait."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from httpx import AsyncClient

from qs.container import Container
from qs.settings import Settings
from qs.settings.sections import RedisSettings
from tests.integration.plan_http.steps import V1, data_of, make_plan


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Settings that name a Redis which is not there."""
    return msgspec.structs.replace(settings, redis=RedisSettings(url=f"unix://{tmp_path}/nobody.sock"))


async def test_without_redis_people_are_enrolled_swept_and_answered_and_the_events_wait(
    api: AsyncClient, container: Container
) -> None:
    plan = await make_plan(api, trigger_time="00:00", timezone="UTC")
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    row = {"external_id": "P-1", "start_date": yesterday}
    data_of(await api.post(f"{V1}/plans/{plan['id']}/enrollments/bulk", json={"rows": [row]}))

    swept = data_of(await api.post(f"{V1}/plans/tasks/schedule"))
    task = swept["tasks"][0]["id"]
    entry = data_of(await api.get(f"{V1}/plans/tasks/{task}/entry"))
    answer = {"token": entry["token"], "task_id": task, "assessment_id": "a-1"}
    submitted = data_of(await api.post(f"{V1}/entries/submit", json=answer))
    ready = await api.get("/health/ready")

    assert (swept["status"], swept["opened"], swept["failed"]) == ("done", 1, 0)
    assert submitted["status"] == "completed"
    assert data_of(ready)["status"] == "degraded"
    waiting = await container.event_backlog().measure()
    assert waiting.unpublished == 4
