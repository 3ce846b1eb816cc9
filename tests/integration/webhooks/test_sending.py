"""From events to webhooks: signed, to those who asked, tried until it works, and never at the cost of others."""

import asyncio
import json
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from qs.application.kernel import crash
from qs.application.webhook.history import Replay
from qs.application.webhook.keeping import EndpointChange
from tests.integration.webhooks.desk import ACTOR, Desk, verified
from tests.support.certificates import make_certificate
from tests.support.receivers import ENDLESS, HANG, Received, WebReceiver
from tests.support.waiting import eventually


async def test_an_event_goes_out_as_in_the_stream_signed_and_to_those_who_asked_for_it(
    desk: Desk, web: WebReceiver, other_web: WebReceiver
) -> None:
    await desk.plan()
    made = await desk.endpoint(web.url, ["plan.*"])
    await desk.endpoint(other_web.url, ["TaskOpened", "Enrollment*"])
    plan_id = await desk.plan()
    await desk.fan_out()

    await desk.send()

    entries = await desk.container.redis().xrange("qs:events:plan")
    [received] = web.received
    assert received.body == entries[-1][1][b"event"], "the same bytes, and not of what happened before"
    event = verified(received, made.secret)
    assert (event["type"], event["subject"]) == ("qs.plan.plan_created.v1", f"plans/{plan_id}")
    assert received.headers["webhook-id"] == event["id"]
    assert received.headers["content-type"].startswith("application/cloudevents+json")
    assert other_web.received == []
    [row] = await desk.deliveries()
    assert (row["status"], row["attempts"], str(row["event_id"])) == ("sent", 1, event["id"])
    with pytest.raises(WebhookVerificationError):
        verified(received, "whsec_" + "bmV3" * 8)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (500, "HTTP 500"),
        (404, "HTTP 404"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "HTTP 302"),
        (b"\x16\x03\x01 nonsense", "RemoteProtocolError"),
    ],
)
async def test_whatever_is_no_acceptance_is_tried_again_under_the_same_id(
    desk: Desk, web: WebReceiver, answer: int | bytes, told: str
) -> None:
    web.answers = [answer]
    await desk.endpoint(web.url)
    await desk.plan()
    await desk.fan_out()
    await desk.send()
    [row] = await desk.deliveries()
    assert (row["status"], row["attempts"]) == ("queued", 1)
    wait = await desk.truth.fetchval("SELECT next_attempt_at - clock_timestamp() FROM webhook_delivery")
    assert timedelta(seconds=1) < wait <= timedelta(seconds=5)

    await desk.due_now()
    await desk.send()

    assert (await desk.deliveries())[0]["status"] == "sent"
    assert await desk.attempts(row["id"]) == [(1, "temporary", told), (2, "sent", "HTTP 200")]
    assert {each.headers["webhook-id"] for each in web.received} == {str(row["event_id"])}


async def test_a_receiver_whose_certificate_nobody_vouches_for_is_tried_again(
    desk: Desk, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(tmp_path))
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context) as server:
        await desk.endpoint(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        await desk.plan()
        await desk.fan_out()

        await desk.send()

    [row] = await desk.deliveries()
    assert (row["status"], await desk.attempts(row["id"])) == ("queued", [(1, "temporary", "ConnectError")])


async def test_an_endless_answer_costs_no_more_than_its_first_bytes(desk: Desk, web: WebReceiver) -> None:
    web.answers = [ENDLESS]
    await desk.endpoint(web.url)
    await desk.plan()
    await desk.fan_out()

    await desk.send()

    assert (await desk.deliveries())[0]["status"] == "sent"


@pytest.mark.parametrize("status", [429, 503])
async def test_a_receiver_that_asks_for_time_is_given_it(desk: Desk, web: WebReceiver, status: int) -> None:
    web.answers = [f"HTTP/1.1 {status} Busy\r\nRetry-After: 100\r\nContent-Length: 0\r\n\r\n".encode()] * 20
    await desk.endpoint(web.url)
    await desk.plans(15)
    await desk.fan_out()

    await desk.send()
    await desk.send()

    assert len(web.received) <= 10, "what was not on its way yet is not sent"
    waits = await desk.truth.fetchrow(
        "SELECT paused_until - clock_timestamp() AS paused,"
        " (SELECT max(next_attempt_at) - clock_timestamp() FROM webhook_delivery) AS longest FROM webhook_endpoint"
    )
    assert waits is not None
    for wait in waits.values():
        assert timedelta(seconds=90) < wait <= timedelta(seconds=100)
    untried = [row for row in await desk.deliveries("queued") if row["attempts"] == 0]
    assert {(row["attempts"], row["epoch"]) for row in untried} == {(0, 0)}


async def test_an_endpoint_that_fails_gets_one_delivery_at_a_time_until_it_accepts_one(
    desk: Desk, web: WebReceiver
) -> None:
    await web.stop()
    await desk.endpoint(web.url)
    await desk.plans(30)
    await desk.fan_out()
    await desk.send()
    tried = [row for row in await desk.deliveries() if row["attempts"]]
    assert 5 <= len(tried) <= 14, "a few at once, and no more after five failures"
    # However long this takes, it is not over yet.
    await desk.truth.execute("UPDATE webhook_endpoint SET paused_until = paused_until + interval '1 hour'")
    await desk.send()
    assert [row for row in await desk.deliveries() if row["attempts"]] == tried, "it is left alone"

    await desk.truth.execute("UPDATE webhook_endpoint SET paused_until = NULL")
    await desk.send()
    assert sum(row["attempts"] for row in await desk.deliveries()) == len(tried) + 1
    paused = await desk.truth.fetchval("SELECT paused_until - clock_timestamp() FROM webhook_endpoint")
    await web.start()
    await desk.truth.execute("UPDATE webhook_endpoint SET paused_until = NULL")
    await desk.send()

    assert paused > timedelta(seconds=4)
    await desk.send()
    assert {row["status"] for row in await desk.deliveries()} == {"sent"}, "what waited is due at once"
    assert await desk.truth.fetchval("SELECT failures FROM webhook_endpoint") == 0
    assert len(web.received) == 30


async def test_a_receiver_that_is_gone_is_disabled_at_once_and_can_be_caught_up(
    desk: Desk, web: WebReceiver
) -> None:
    web.answers = [410]
    made = await desk.endpoint(web.url)
    await desk.plan()
    await desk.fan_out()
    await desk.send()
    await desk.plans(2)
    await desk.fan_out()
    await desk.send()
    assert len(web.received) == 1
    shown = await desk.container.webhook_keeping().get(desk.tenant_id, made.endpoint.id)
    assert (shown.enabled, shown.disabled_reason) == (False, "gone")
    reasons = [(row["event_name"], row["status"], row["reason"]) for row in await desk.deliveries()]
    assert reasons[0] == ("PlanCreated", "dead", "gone")
    assert {each[1:] for each in reasons[1:]} == {("skipped", "endpoint_disabled")}
    told = await desk.truth.fetchrow("SELECT * FROM outbox WHERE context = 'webhook'")
    assert told is not None
    assert told["name"] == "WebhookEndpointDisabled"
    assert json.loads(told["data"])["reason"] == "gone"

    await desk.container.webhook_keeping().change(
        desk.tenant_id, made.endpoint.id, EndpointChange(enabled=True), actor=ACTOR
    )
    done = await desk.container.webhook_history().replay(
        desk.tenant_id, made.endpoint.id, Replay(since=shown.created_at), actor=ACTOR
    )
    await desk.send()

    assert (done.replayed, done.more) == (4, False)
    assert {row["status"] for row in await desk.deliveries()} == {"sent"}


async def test_days_of_nothing_but_failures_disable_an_endpoint(desk: Desk, web: WebReceiver) -> None:
    web.answers = [500, 500]
    made = await desk.endpoint(web.url)
    await desk.plan()
    await desk.fan_out()
    await desk.send()
    days = "interval '5 days'"
    await desk.truth.execute(f"UPDATE webhook_endpoint SET first_failure_at = first_failure_at - {days}")
    await desk.truth.execute(f"UPDATE webhook_delivery SET queued_at = queued_at - {days}")
    await desk.due_now()

    await desk.send()

    shown = await desk.container.webhook_keeping().get(desk.tenant_id, made.endpoint.id)
    assert (shown.enabled, shown.disabled_reason) == (False, "failing")
    [row] = await desk.deliveries()
    assert (row["status"], row["reason"]) == ("dead", "attempts_exhausted")
    enabled = await desk.container.webhook_keeping().change(
        desk.tenant_id, made.endpoint.id, EndpointChange(enabled=True), actor=ACTOR
    )
    assert (enabled.health.failures, enabled.health.first_failure_at) == (0, None)


async def test_two_secrets_sign_while_one_replaces_the_other(desk: Desk, web: WebReceiver) -> None:
    made = await desk.endpoint(web.url)
    keeping = desk.container.webhook_keeping()
    rotated = await keeping.rotate(desk.tenant_id, made.endpoint.id, timedelta(hours=24), actor=ACTOR)
    await desk.plan()
    await desk.fan_out()
    await desk.send()
    await desk.truth.execute("UPDATE webhook_endpoint SET previous_secret_until = now()")
    await desk.plan()
    await desk.fan_out()

    await desk.send()

    during, after = web.received
    assert during.headers["webhook-signature"].split(" ")[0] == Webhook(rotated.secret).sign(
        during.headers["webhook-id"], _signed_at(during), during.body.decode()
    )
    assert verified(during, made.secret) == verified(during, rotated.secret)
    assert verified(after, rotated.secret)
    with pytest.raises(WebhookVerificationError):
        verified(after, made.secret)


def _signed_at(received: Received) -> datetime:

    return datetime.fromtimestamp(int(received.headers["webhook-timestamp"]), UTC)


@pytest.mark.parametrize("point", ["webhook.after_send", "webhook.settle.before_commit"])
async def test_a_crash_between_sending_and_recording_sends_again_under_the_same_id(
    desk: Desk, web: WebReceiver, point: str
) -> None:
    await desk.endpoint(web.url)
    await desk.plan()
    await desk.fan_out()

    reached = asyncio.Event()

    async def die(at: str) -> None:
        if at == point:
            reached.set()
            await asyncio.sleep(3600)

    sending = desk.container.webhook_sending()
    with crash.armed(die):
        await sending.send_due()
        await asyncio.wait_for(reached.wait(), 60)
        for task in [*sending._turns.values(), *_writing()]:
            task.cancel()
        await asyncio.gather(*sending._turns.values(), return_exceptions=True)
    [row] = await desk.deliveries()
    assert row["status"] == "sending"
    await desk.send()
    assert len(web.received) == 1, "the lease of the one that died still holds"

    await desk.due_now()
    await desk.send()

    [row] = await desk.deliveries()
    assert row["status"] == "sent"
    assert await desk.attempts(row["id"]) == [(1, "unknown", None), (2, "sent", "HTTP 200")]
    assert {each.headers["webhook-id"] for each in web.received} == {str(row["event_id"])}
    assert len(web.received) == 2


def _writing() -> list[asyncio.Task[object]]:
    return [task for task in asyncio.all_tasks() if task.get_name() == "webhook-outcomes"]


async def test_two_senders_at_once_send_each_delivery_once(desk: Desk, web: WebReceiver) -> None:
    await desk.endpoint(web.url)
    await desk.plans(30)
    await desk.fan_out()
    senders = [desk.container.webhook_sending(), desk.another_sending()]

    for _ in range(4):
        await asyncio.gather(*(sender.send_due() for sender in senders))
        await asyncio.gather(*(sender.idle() for sender in senders))

    ids = [received.headers["webhook-id"] for received in web.received]
    assert len(ids) == len(set(ids)) == 30


async def test_receivers_that_hang_or_are_away_delay_nobody_else(
    desk: Desk, web: WebReceiver, other_web: WebReceiver
) -> None:
    web.answers = [HANG] * 100
    await desk.endpoint(web.url, name="hangs")
    await desk.endpoint("http://127.0.0.1:1/", name="away")
    await desk.endpoint(other_web.url, name="well")
    await desk.plans(25)
    await desk.fan_out()
    sending = desk.container.webhook_sending()

    began = time.monotonic()
    async with asyncio.timeout(20):
        while len(other_web.received) < 25:
            await sending.send_due()
            await asyncio.sleep(0.01)
    took = time.monotonic() - began

    assert took < 10, "and the one that hangs does so for half a minute"
    await eventually(lambda: asyncio.sleep(0, len(web.received) >= 10))
    assert len(web.received) == 10, "as many at a time as one endpoint may have"
    await sending.drain(timedelta(0))
