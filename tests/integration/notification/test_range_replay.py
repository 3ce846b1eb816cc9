"""Dead notifications get another chance, a range of them at once."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from qs.settings import Settings
from tests.support.command_line import called
from tests.support.http import app_over, serving
from tests.support.notifying import Clinic

_DEAD = (
    "INSERT INTO delivery (id, tenant_id, event_id, event_name, recipient, channel, template, locale, status, reason,"
    " attempts, created_at, settled_at) VALUES ($1, $2, gen_random_uuid(), 'TaskExpired', 'staff', $3, 'task_expired',"
    " 'en', $4, 'permanent_failure', 4, $5::timestamptz, now())"
)


@pytest.fixture
async def api(container):
    issued = await container.token_issuing().issue(
        Clinic.tenant_id, ["notifications:write"], timedelta(hours=1), actor="test"
    )
    async with serving(app_over(container), token=issued.token) as client:
        yield client


async def test_a_range_of_what_is_dead_is_sent_anew_and_nothing_else(
    api: Any, clinic: Clinic, settings: Settings
) -> None:
    rows = {}
    for name, channel, status, day in (
        ("early", "log", "dead", 1),
        ("within", "log", "dead", 2),
        ("sent", "log", "sent", 2),
        ("other channel", "webhook", "dead", 2),
        ("late", "log", "dead", 3),
    ):
        rows[name] = uuid4()
        at = f"2026-03-0{day} 12:00+00"
        await clinic.truth.execute(
            _DEAD.replace("$5::timestamptz", f"'{at}'"), rows[name], Clinic.tenant_id, channel, status
        )
    path = "/api/v1/notifications/replay"
    bounds = {"since": "2026-03-02T00:00:00Z", "until": "2026-03-03T00:00:00Z"}

    unclear = await api.post(path, json={"channel": "log"})
    ranged = await api.post(path, json={**bounds, "channel": "log"})
    queued = {row["id"] for row in await clinic.deliveries() if row["status"] == "queued"}
    given = {
        "QS_SECRET_KEY": str(settings.secret_key),
        "QS_DATABASE_URL": str(settings.database.url),
        "QS_REDIS_URL": str(settings.redis.url),
    }
    later = ("--since", "2026-03-03T00:00:00Z")
    verb = await asyncio.to_thread(called, given, "notifications", "replay", *later, "--json")
    everything = await api.post(path, json={"status": "dead"})

    assert (unclear.status_code, unclear.json()["error"]) == (422, "notification.replay_range_missing")
    assert ranged.json()["data"] == {"replayed": 1, "more": False}
    assert queued == {rows["within"]}
    assert json.loads(verb.stdout) == {"replayed": 1}
    assert everything.json()["data"]["replayed"] == 2
    assert {row["attempts"] for row in await clinic.deliveries() if row["status"] == "queued"} == {0}
