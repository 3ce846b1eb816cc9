"""Messages by a signed POST."""

from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from qs.application.notification.ports import ChannelFailure
from qs.infra.http.signing import WebhookSecretUnusable
from qs.infra.notification.channels.webhook import WebhookChannel
from tests.integration.notification.channels.conformance import (
    LINK,
    PATIENT,
    SECRETS,
    HttpConformance,
    Rig,
    a_message,
    running,
)
from tests.support.receivers import WebReceiver

OLD, NEW = "whsec_" + "b2xk" * 8, "whsec_" + "bmV3" * 8


@pytest.fixture
def channel(web, client):
    return WebhookChannel(client, web.url, [NEW, OLD], deadline=PATIENT)


class TestWebhook(HttpConformance):
    @pytest.fixture
    def rig(self, web, client) -> Rig:
        @asynccontextmanager
        async def with_context(context):
            async with running(WebReceiver(context)) as receiver:
                yield WebhookChannel(client, receiver.url, [NEW], deadline=PATIENT)
                web.received += receiver.received

        return Rig(
            lambda deadline: WebhookChannel(client, web.url, [NEW], deadline=deadline),
            a_message(),
            lambda: [received.json["notification_id"] for received in web.received],
            secrets=(*SECRETS, NEW, "/notifications"),
            answer=web.answers.append,
            start=web.start,
            stop=web.stop,
            with_context=with_context,
        )


async def test_a_webhook_is_signed_with_every_secret(web, channel):
    await channel.send(a_message())

    [received] = web.received
    for secret in (OLD, NEW):
        Webhook(secret).verify(received.body, dict(received.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "c29tZQ==").verify(received.body, dict(received.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(received.body + b" ", dict(received.headers))


async def test_a_webhook_carries_exactly_the_promised_fields(web, channel):
    message = a_message()

    await channel.send(message)

    [received] = web.received
    assert received.json == {
        "notification_id": str(message.notification_id),
        "event_id": str(message.event_id),
        "recipient": message.recipient,
        "locale": "zh",
        "text": message.text,
        "link": LINK,
        "expires_at": "2026-03-09T11:00:00Z",
    }
    assert received.headers["webhook-id"] == str(message.notification_id)
    assert received.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("answer", "permanent"),
    [(301, True), (400, True), (401, True), (408, False), (425, False), (429, False), (503, False)],
)
async def test_a_status_decides_whether_trying_again_is_worth_it(web, channel, answer, permanent):
    web.answers.append(answer)

    with pytest.raises(ChannelFailure) as failure:
        await channel.send(a_message())

    assert failure.value.permanent == permanent
    assert failure.value.answer == f"HTTP {answer}"


async def test_a_receiver_that_is_gone_is_called_so(web, channel):
    web.answers.append(410)

    with pytest.raises(ChannelFailure) as failure:
        await channel.send(a_message())

    assert (failure.value.permanent, failure.value.reason) == (True, "gone")


@pytest.mark.parametrize("secret", ["whsec_!", "", "whsec_", "whsec_c2hvcnQ="])
def test_a_secret_nothing_can_be_signed_with_is_refused(client, secret):
    with pytest.raises(WebhookSecretUnusable):
        WebhookChannel(client, "https://example.org", [secret], deadline=timedelta(seconds=1))
