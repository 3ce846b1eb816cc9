"""Text messages through an HTTP gateway."""

import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from qs.application.notification.ports import Accepted, ChannelFailure
from qs.infra.notification.channels.sms import SmsChannel
from qs.infra.notification.channels.sms_gateway import GatewayUnusable, SmsGateway
from tests.integration.notification.channels.conformance import (
    PATIENT,
    SECRETS,
    HttpConformance,
    Rig,
    a_message,
    running,
)
from tests.support.receivers import WebReceiver

NUMBER = "+86 138 0013 8000"
TAKEN = b'{"code": "OK", "data": {"message_id": "m-1"}}'


def gateway(url: str, **fields) -> SmsGateway:
    made = SmsGateway(
        url=url,
        method="POST",
        headers=("Authorization: Bearer s3cret-of-the-gateway", "Idempotency-Key: {id}"),
        format="json",
        body='{"to": "{to}", "content": {"text": "{text}"}, "ref": "{id}"}',
        code="/code",
        accepted=("OK",),
        permanent=("MOBILE_NUMBER_ILLEGAL",),
        id="/data/message_id",
    )
    return replace(made, **fields)


def a_text(**fields: Any) -> Any:
    return a_message(
        **{"address": NUMBER, "text": "您有一份问卷待填写：https://a.example.org/e?token=1", **fields}
    )


@pytest.fixture
def sms(web):
    web.body = TAKEN
    return web


@pytest.fixture
def send(sms, client):
    async def send(message=None, **fields):
        return await SmsChannel(client, gateway(sms.url, **fields), deadline=PATIENT).send(
            message or a_text()
        )

    return send


class TestSms(HttpConformance):
    @pytest.fixture
    def rig(self, sms, client) -> Rig:
        @asynccontextmanager
        async def with_context(context):
            async with running(WebReceiver(context, TAKEN)) as receiver:
                yield SmsChannel(client, gateway(receiver.url), deadline=PATIENT)
                sms.received += receiver.received

        return Rig(
            lambda deadline: SmsChannel(client, gateway(sms.url), deadline=deadline),
            a_text(),
            lambda: [received.json["ref"] for received in sms.received],
            secrets=(*SECRETS, "13800138000", "s3cret-of-the-gateway", "/notifications"),
            answer=sms.answers.append,
            start=sms.start,
            stop=sms.stop,
            with_context=with_context,
        )


async def test_a_gateway_is_asked_as_the_settings_have_it(sms, send):
    message = a_text(text='"quoted"\n{to} & {id}\n')

    answer = await send(message)

    [received] = sms.received
    assert received.json == {
        "to": "+8613800138000",
        "content": {"text": '"quoted"\n{to} & {id}'},
        "ref": str(message.notification_id),
    }
    assert received.headers["authorization"] == "Bearer s3cret-of-the-gateway"
    assert received.headers["idempotency-key"] == str(message.notification_id)
    assert received.headers["content-type"] == "application/json"
    assert isinstance(answer, Accepted)
    assert (answer, answer.provider_id) == ("HTTP 200 OK", "m-1")


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_form_is_sent_in_the_body_or_the_query(sms, send, method):
    message = a_text(text="a&b=c d")

    await send(message, method=method, format="form", body="To={to}&Body={text}&From=QS&Ref={id}")

    [received] = sms.received
    form = received.body.decode() if method == "POST" else urlsplit(received.target).query
    assert dict(parse_qsl(form)) == {
        "To": "+8613800138000",
        "Body": "a&b=c d",
        "From": "QS",
        "Ref": str(message.notification_id),
    }


@pytest.mark.parametrize(
    ("status", "body", "permanent", "told"),
    [
        (200, {"code": "MOBILE_NUMBER_ILLEGAL"}, True, "HTTP 200 MOBILE_NUMBER_ILLEGAL"),
        (200, {"code": "LIMIT_CONTROL"}, False, "HTTP 200 LIMIT_CONTROL"),
        (200, {"code": "sent to +8613800138000: 您有一份问卷"}, False, "HTTP 200"),
        (200, {"code": "13800138000"}, False, "HTTP 200"),
        (200, {"code": ["OK"]}, False, "HTTP 200, unreadable"),
        (200, {}, False, "HTTP 200, unreadable"),
        (400, {"code": "MOBILE_NUMBER_ILLEGAL"}, True, "HTTP 400 MOBILE_NUMBER_ILLEGAL"),
        (400, {"code": "OK"}, True, "HTTP 400 OK"),
        (401, {}, False, "HTTP 401"),
        (402, {}, False, "HTTP 402"),
        (403, {}, False, "HTTP 403"),
        (500, {"code": "OK"}, False, "HTTP 500 OK"),
    ],
)
async def test_what_a_gateway_answers_decides(sms, send, status, body, permanent, told):
    content = json.dumps(body).encode()
    sms.answers.append(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(content), content))

    with pytest.raises(ChannelFailure) as failure:
        await send()

    assert (failure.value.permanent, failure.value.answer) == (permanent, told)


async def test_without_a_code_every_2xx_will_do(sms, send):
    sms.answers.append(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok")

    answer = await send(code=None, accepted=(), id=None)

    assert (answer, answer.provider_id) == ("HTTP 202", None)


async def test_a_text_of_too_many_segments_is_not_sent(sms, send):
    with pytest.raises(ChannelFailure) as failure:
        await send(a_text(text="问" * 68 * 2), max_segments=2)

    assert (failure.value.permanent, failure.value.reason) == (True, "too_long")
    assert "3 segments" in failure.value.answer
    assert sms.received == []


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"headers": ("nonsense-with-a-secret",)}, "headers"),
        ({"method": "GET"}, "format"),
        ({"body": '["{to}", "{text}"]'}, "body"),
        ({"body": '{"to": "{to}"'}, "body"),
        ({"body": '{"to": "{to}"}'}, "{text}"),
        ({"format": "form", "body": ""}, "body"),
        ({"code": "code"}, "code"),
        ({"id": "id"}, "id"),
        ({"accepted": ()}, "accepted"),
    ],
)
def test_settings_that_describe_no_request_are_refused_by_name(fields, named):
    with pytest.raises(GatewayUnusable, match=named) as refused:
        gateway("https://sms.example.org", **fields)

    assert "secret" not in str(refused.value)


def test_a_gateway_shows_no_secret():
    assert "s3cret" not in repr(gateway("https://u:s3cret@sms.example.org"))
