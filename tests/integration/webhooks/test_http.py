"""``/webhooks`` as others program against it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from httpx import AsyncClient

from qs.container import Container
from tests.integration.webhooks.desk import Desk, verified
from tests.support.http import app_over, serving
from tests.support.receivers import WebReceiver

V1 = "/api/v1/webhooks"


@pytest.fixture
async def api(container: Container) -> AsyncIterator[AsyncClient]:
    issued = await container.token_issuing().issue(
        Desk.tenant_id, ["webhooks:read", "webhooks:write"], timedelta(hours=1), actor="test"
    )
    async with serving(app_over(container), token=issued.token) as client:
        yield client


async def test_an_endpoint_is_made_changed_and_deleted_and_its_secret_shown_once(
    api: AsyncClient, web: WebReceiver
) -> None:
    body = {"name": "study", "url": web.url, "events": ["plan.*", "TaskOpened"]}

    made = await api.post(V1, json=body)
    path = made.headers["location"]
    shown = await api.get(path)
    listed = (await api.get(V1)).json()["data"]
    unchanged = await api.get(path, headers={"If-None-Match": shown.headers["etag"]})
    changed = await api.patch(path, json={"enabled": False}, headers={"If-Match": shown.headers["etag"]})
    stale = await api.patch(path, json={"name": "x"}, headers={"If-Match": shown.headers["etag"]})
    rotated = await api.post(f"{path}/rotate-secret")
    gone = await api.delete(path)

    assert made.status_code == 201
    secret = made.json()["data"].pop("secret")
    assert secret.startswith("whsec_")
    assert made.headers["cache-control"] == "no-store"
    assert "secret" not in shown.json()["data"]
    assert shown.json()["data"]["events"] == ["plan.*", "TaskOpened"]
    assert (listed["total"], listed["items"]) == (1, [shown.json()["data"]])
    assert (unchanged.status_code, stale.status_code) == (304, 412)
    assert (changed.json()["data"]["enabled"], changed.json()["data"]["disabled_reason"]) == (False, "manual")
    assert rotated.json()["data"]["secret"] not in ("", secret)
    until = datetime.fromisoformat(rotated.json()["data"]["previous_secret_until"])
    assert timedelta(hours=23) < until - datetime.now(UTC) < timedelta(hours=25)
    assert (gone.status_code, (await api.get(path)).status_code) == (200, 404)


@pytest.mark.parametrize(
    ("field", "value", "pointer"),
    [
        ("url", "http://93.184.215.14/", "/url"),
        ("url", "https://10.0.0.1/", "/url"),
        ("url", "https://169.254.169.254/latest", "/url"),
        ("url", "https://[::1]/", "/url"),
        ("url", "https://user:secret@example.org/", "/url"),
        ("url", "ftp://example.org/", "/url"),
        ("url", "https://example.org/#here", "/url"),
        ("url", "", "/url"),
        ("events", [], "/events"),
        ("events", ["TaskOpend"], "/events/0"),
        ("events", ["TaskOpened", "nothing.*"], "/events/1"),
        ("events", ["Task*Opened"], "/events/0"),
        ("name", " ", "/name"),
        ("secret", "whsec_mine", "/secret"),
    ],
)
async def test_what_qs_would_not_call_is_not_stored(
    api: AsyncClient, field: str, value: object, pointer: str
) -> None:
    body = {"name": "study", "url": "https://93.184.215.14/", "events": ["*"]} | {field: value}

    refused = await api.post(V1, json=body)

    assert refused.status_code == 422
    assert [each["pointer"] for each in refused.json()["errors"]] == [pointer]
    assert (await api.get(V1)).json()["data"]["total"] == 0


async def test_a_tenant_has_no_more_than_twenty(api: AsyncClient) -> None:
    body = {"name": "study", "url": "https://93.184.215.14/"}
    answers = [await api.post(V1, json=body) for _ in range(21)]

    assert [each.status_code for each in answers] == [201] * 20 + [409]
    assert answers[-1].json()["error"] == "webhook.too_many"


async def test_a_trial_tells_what_the_receiver_said_and_is_in_the_history(
    api: AsyncClient, web: WebReceiver
) -> None:
    web.answers = [204, 401]
    made = (await api.post(V1, json={"name": "study", "url": web.url, "events": ["TaskOpened"]})).json()[
        "data"
    ]
    path = f"{V1}/{made['id']}"
    await api.patch(path, json={"enabled": False})

    good = (await api.post(f"{path}/test")).json()["data"]
    bad = (await api.post(f"{path}/test")).json()["data"]
    await web.stop()
    away = (await api.post(f"{path}/test")).json()["data"]

    assert (good["accepted"], good["http_status"]) == (True, 204)
    assert (bad["accepted"], bad["http_status"], bad["answer"]) == (False, 401, "HTTP 401")
    assert (away["accepted"], away["http_status"], away["answer"]) == (False, None, "ConnectError")
    event = verified(web.received[0], made["secret"])
    assert (event["type"], event["id"], event["subject"]) == (
        "qs.webhook.test",
        good["event_id"],
        f"webhooks/{made['id']}",
    )
    history = (await api.get(f"{path}/deliveries")).json()["data"]["items"]
    assert [(each["status"], each["reason"]) for each in history] == [
        ("dead", "test_failed"),
        ("dead", "test_failed"),
        ("sent", None),
    ]
    assert history[1]["history"][0]["answer"] == "HTTP 401"
    assert web.url.split("//")[1] not in str(history)


async def test_the_history_is_read_page_by_page_and_what_did_not_arrive_sent_again(
    api: AsyncClient, desk: Desk, web: WebReceiver
) -> None:
    path = (await api.post(V1, json={"name": "study", "url": web.url})).headers["location"]
    web.answers = [400] * 3
    await desk.plans(3)
    await desk.fan_out()
    await desk.send()
    await desk.truth.execute("UPDATE webhook_delivery SET queued_at = queued_at - interval '6 days'")
    web.answers = [400, 400]
    await desk.due_now()
    await desk.send()

    first = (await api.get(f"{path}/deliveries?page_size=2")).json()["data"]
    rest = (await api.get(f"{path}/deliveries?cursor={first['next_cursor']}")).json()["data"]
    dead = (await api.get(f"{path}/deliveries?status=dead")).json()["data"]["items"]
    later = f"{path}/deliveries?since=2099-01-01T00:00:00Z"
    one = await api.post(f"{path}/replay", json={"delivery_ids": [dead[0]["id"], str(uuid4())]})
    unclear = await api.post(f"{path}/replay", json={})
    ranged = await api.post(f"{path}/replay", json={"since": "2020-01-01T00:00:00Z", "status": "dead"})
    await desk.send()
    again = await api.post(f"{path}/replay", json={"status": "dead"})
    sent = await api.post(f"{path}/replay", json={"status": "sent"})

    ids = [each["id"] for each in first["items"] + rest["items"]]
    assert (len(set(ids)), ids) == (3, sorted(ids, reverse=True))
    assert len(dead) == 2
    assert [each["outcome"] for each in dead[0]["history"]] == ["temporary", "temporary"]
    assert (await api.get(later)).json()["data"]["items"] == []
    assert one.json()["data"] == {"replayed": 1, "more": False}
    assert unclear.status_code == 422
    assert ranged.json()["data"] == {"replayed": 1, "more": False}
    assert again.json()["data"]["replayed"] == 0
    assert sent.json()["data"]["replayed"] == 3
    await api.patch(path, json={"enabled": False})
    refused = await api.post(f"{path}/replay", json={"status": "dead"})
    assert (refused.status_code, refused.json()["error"]) == (409, "webhook.disabled")


async def test_metrics_tell_of_outcomes_and_backlog_and_of_no_address(
    container: Container, desk: Desk, web: WebReceiver
) -> None:
    web.answers = [200, 500]
    await desk.endpoint(web.url)
    for _ in range(2):
        await desk.plan()
        await desk.fan_out()
        await desk.send()
    await container.webhook_counts().aclose()
    issued = await container.token_issuing().issue(Desk.tenant_id, ["admin"], timedelta(hours=1), actor="x")

    async with serving(app_over(container), token=issued.token) as client:
        told = (await client.get("/metrics")).text

    assert 'qs_webhook_attempts_total{outcome="accepted"} 1.0' in told
    assert 'qs_webhook_attempts_total{outcome="failed"} 1.0' in told
    assert "qs_webhook_backlog_deliveries 1.0" in told
    assert 'qs_webhook_endpoints{state="failing"} 1.0' in told
    assert str(web.port) not in told
