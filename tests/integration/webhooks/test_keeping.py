"""What is kept of webhooks, for how long, and under which key; and the verbs."""

import asyncio
import json
from typing import Any

import asyncpg
import pytest

from qs.container import Container
from qs.settings import Settings
from tests.integration.plan.gate import somebody_waits
from tests.integration.webhooks.desk import Desk, verified
from tests.support.command_line import called
from tests.support.receivers import WebReceiver


async def test_what_is_done_with_is_forgotten_after_its_time(
    desk: Desk, container: Container, web: WebReceiver
) -> None:
    made = await desk.endpoint(web.url)
    deleted = await desk.endpoint(web.url)
    await desk.plans(4)
    await desk.fan_out()
    await desk.send()
    await container.webhook_keeping().remove(desk.tenant_id, deleted.endpoint.id, actor="x")
    await desk.truth.execute("UPDATE webhook_message SET created_at = created_at - interval '80 days'")
    ids = [row["id"] for row in await desk.deliveries() if row["endpoint_id"] == made.endpoint.id]
    for id_, status, age in zip(ids, ("sent", "sent", "dead", "dead"), (29, 31, 31, 91), strict=True):
        await desk.truth.execute(
            f"UPDATE webhook_delivery SET status = $2, settled_at = now() - interval '{age} days' WHERE id = $1",
            id_,
            status,
        )

    done = await container.retention().run()

    assert (done["webhook_deliveries"], done["webhook_orphans"], done["webhook_messages"]) == (2, 4, 2)
    assert [row["id"] for row in await desk.deliveries()] == [ids[0], ids[2]]
    assert await desk.truth.fetchval("SELECT count(*) FROM webhook_message") == 2


async def test_one_that_is_replayed_while_the_old_ones_go_stays(
    desk: Desk, container: Container, web: WebReceiver, database_url: str
) -> None:
    await desk.endpoint(web.url)
    await desk.plans(2)
    await desk.fan_out()
    replayed, gone = [row["id"] for row in await desk.deliveries()]
    await desk.truth.execute(
        "UPDATE webhook_delivery SET status = 'dead', settled_at = now() - interval '91 days'"
    )
    other = await asyncpg.connect(database_url)
    try:
        replaying = other.transaction()
        await replaying.start()
        await other.execute(
            "UPDATE webhook_delivery SET status = 'queued', settled_at = NULL WHERE id = $1", replayed
        )
        forgetting = asyncio.create_task(container.retention().run())
        await somebody_waits(desk.truth)
        await replaying.commit()
    finally:
        await other.close()

    assert (await forgetting)["webhook_deliveries"] == 1
    assert [row["id"] for row in await desk.deliveries()] == [replayed]
    assert gone != replayed


async def test_no_secret_is_stored_in_clear(desk: Desk, web: WebReceiver) -> None:
    made = await desk.endpoint(web.url)

    rows = await desk.truth.fetch("SELECT w::text FROM webhook_endpoint w")
    stored = await desk.truth.fetchval("SELECT secrets FROM webhook_endpoint")

    assert made.secret.removeprefix("whsec_") not in str(rows)
    assert made.secret.encode() not in stored


@pytest.mark.timeout(240)
async def test_every_verb_does_what_it_says(settings: Settings, desk: Desk, web: WebReceiver) -> None:
    given = {
        "QS_ENV": "test",
        "QS_HOME": str(settings.home),
        "QS_SECRET_KEY": str(settings.secret_key),
        "QS_DATABASE_URL": str(settings.database.url),
        "QS_REDIS_URL": str(settings.redis.url),
        "QS_OUTBOUND__ALLOW_NETWORKS": "127.0.0.0/8",
    }

    async def qs(*words: str, code: int = 0) -> Any:
        done = await asyncio.to_thread(called, given, "webhooks", *words, "--json")
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if done.stdout else {}

    made = await qs("create", web.url, "--name", "study", "--event", "plan.*")
    id_ = made["id"]
    web.answers = [500]
    trial = await qs("test", id_, code=1)
    rotated = await qs("rotate", id_, "--overlap-hours", "0")
    disabled = await qs("disable", id_)
    await desk.plan()
    await desk.fan_out()
    await qs("enable", id_)
    replayed = await qs("replay", id_, "--all")
    await desk.send()
    history = await qs("deliveries", id_)

    assert trial["http_status"] == 500
    assert disabled["disabled_reason"] == "manual"
    assert replayed == {"replayed": 1}
    assert history["items"][0]["status"] == "sent"
    assert verified(web.received[-1], rotated["secret"])
    await qs("delete", id_)
    assert await qs("list") == {"items": []}
