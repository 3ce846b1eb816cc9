"""What every channel promises, held against real servers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace as changed
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import structlog
from standardwebhooks import Webhook, WebhookVerificationError

from qs.application.notification.ports import Channel, ChannelFailure, Message
from qs.infra.http.guarded import GuardedClient
from qs.infra.http.signing import WebhookSecretUnusable
from qs.infra.mail.smtp import MailServer
from qs.infra.notification.channels.email import EmailChannel
from qs.infra.notification.channels.log import LogChannel
from qs.infra.notification.channels.webhook import WebhookChannel
from tests.support.receivers import ENDLESS, HANG, MailReceiver, WebReceiver

OLD, NEW = "whsec_" + "b2xk" * 8, "whsec_" + "bmV3" * 8
PATIENT = timedelta(seconds=30)
LINK = "https://answer.example.org/e?token=0190a0b0&task_id=1"


@dataclass
class Rig:
    """A channel, the notification ids its receiver has got, and how to make that fail once."""

    channel: Channel
    ids: Callable[[], list[str]]
    fail_temporarily: Callable[[], None] = lambda: None
    fail_permanently: Callable[[], None] = lambda: None


def a_message(**fields) -> Message:
    message = Message(
        notification_id=uuid4(),
        event_id=uuid4(),
        task_id=uuid4(),
        recipient=f"testee:{uuid4()}",
        address="anna@example.org",
        template="task_opened",
        locale="zh",
        subject="您有一份问卷待填写",
        text=f"安娜，您好：\n\n{LINK}\n.\n",
        link=LINK,
        expires_at=datetime(2026, 3, 9, 11, tzinfo=UTC),
    )
    return changed(message, **fields)


@pytest.fixture
async def mail():
    receiver = MailReceiver()
    await receiver.start()
    yield receiver
    await receiver.close()


@pytest.fixture
async def web():
    receiver = WebReceiver()
    await receiver.start()
    yield receiver
    await receiver.close()


@pytest.fixture
async def client():
    client = GuardedClient(["127.0.0.0/8"])
    yield client
    await client.aclose()


@pytest.fixture
def email_channel(mail):
    server = MailServer("127.0.0.1", mail.port, "none", "问卷 <qs@clinic.example.org>")
    return EmailChannel(server, deadline=PATIENT)


@pytest.fixture
def webhook_channel(web, client):
    return WebhookChannel(client, web.url, [NEW, OLD], deadline=PATIENT)


def _rig(name: str, request: pytest.FixtureRequest) -> Rig:
    if name == "log":
        logs = structlog.testing.LogCapture()
        structlog.configure(processors=[logs])
        request.addfinalizer(structlog.reset_defaults)
        return Rig(LogChannel(), lambda: [str(entry["notification_id"]) for entry in logs.entries])
    if name == "webhook":
        web = request.getfixturevalue("web")
        return Rig(
            request.getfixturevalue("webhook_channel"),
            lambda: [received.json["notification_id"] for received in web.received],
            fail_temporarily=lambda: web.answers.append(500),
            fail_permanently=lambda: web.answers.append(404),
        )
    mail = request.getfixturevalue("mail")
    return Rig(
        request.getfixturevalue("email_channel"),
        lambda: [message["Message-ID"].strip("<>").split("@")[0] for message in mail.accepted],
        fail_temporarily=lambda: mail.answers_to_rcpt.append("450 4.2.1 <anna@example.org> mailbox busy"),
        fail_permanently=lambda: mail.answers_to_rcpt.append("550 5.1.1 <anna@example.org> unknown"),
    )


@pytest.fixture(params=["log", "webhook", "email"])
def rig(request):
    return _rig(request.param, request)


@pytest.fixture(params=["webhook", "email"])
def distant_rig(request):
    """A channel whose other end can fail."""
    return _rig(request.param, request)


async def test_a_message_arrives_under_its_notification_id(rig):
    message = a_message()

    await rig.channel.send(message)

    assert rig.ids() == [str(message.notification_id)]


async def test_a_message_sent_twice_carries_the_same_id(rig):
    message = a_message()

    await rig.channel.send(message)
    await rig.channel.send(message)

    assert rig.ids() == [str(message.notification_id)] * 2


async def test_a_temporary_failure_says_so_and_the_next_attempt_succeeds(distant_rig):
    distant_rig.fail_temporarily()
    message = a_message()

    with pytest.raises(ChannelFailure) as failure:
        await distant_rig.channel.send(message)
    assert not failure.value.permanent
    assert "anna" not in failure.value.answer

    await distant_rig.channel.send(message)


async def test_a_permanent_failure_says_so(distant_rig):
    distant_rig.fail_permanently()

    with pytest.raises(ChannelFailure) as failure:
        await distant_rig.channel.send(a_message())

    assert failure.value.permanent
    assert "anna" not in failure.value.answer


async def test_answers_hold_no_address_and_no_link(rig):
    answer = await rig.channel.send(a_message())

    assert "anna" not in answer
    assert "token" not in answer


async def test_a_channel_that_needs_an_address_is_given_one(rig):
    assert rig.channel.needs_address == (rig.channel.name == "email")


async def test_the_log_shows_neither_text_nor_link_nor_address():
    with structlog.testing.capture_logs() as entries:
        await LogChannel().send(a_message())

    [entry] = entries
    assert entry["template"] == "task_opened"
    shown = repr(entry)
    assert not any(secret in shown for secret in ("token", "https", "anna", "安娜", "问卷"))


# webhook


async def test_a_webhook_is_signed_with_every_secret(web, webhook_channel):
    await webhook_channel.send(a_message())

    [received] = web.received
    for secret in (OLD, NEW):
        Webhook(secret).verify(received.body, dict(received.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "c29tZQ==").verify(received.body, dict(received.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(received.body + b" ", dict(received.headers))


async def test_a_webhook_carries_exactly_the_promised_fields(web, webhook_channel):
    message = a_message()

    await webhook_channel.send(message)

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
    [
        (301, True),
        (400, True),
        (401, True),
        (410, True),
        (408, False),
        (425, False),
        (429, False),
        (503, False),
    ],
)
async def test_a_status_decides_whether_trying_again_is_worth_it(web, webhook_channel, answer, permanent):
    web.answers.append(answer)

    with pytest.raises(ChannelFailure) as failure:
        await webhook_channel.send(a_message())

    assert failure.value.permanent == permanent
    assert failure.value.answer == f"HTTP {answer}"


async def test_a_receiver_that_asks_to_wait_is_heard(web, webhook_channel):
    web.answers.append(b"HTTP/1.1 429 Slow Down\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n")

    with pytest.raises(ChannelFailure) as failure:
        await webhook_channel.send(a_message())

    assert failure.value.retry_after == timedelta(seconds=120)


async def test_a_receiver_that_does_not_answer_in_time_is_tried_again(web, client):
    web.answers.append(HANG)
    channel = WebhookChannel(client, web.url, [NEW], deadline=timedelta(milliseconds=500))

    with pytest.raises(ChannelFailure) as failure:
        await channel.send(a_message())

    assert not failure.value.permanent


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", b"nonsense\r\n\r\n"]
)
async def test_a_receiver_that_does_not_answer_properly_is_tried_again(web, webhook_channel, answer):
    web.answers.append(answer)

    with pytest.raises(ChannelFailure) as failure:
        await webhook_channel.send(a_message())

    assert not failure.value.permanent


async def test_an_endless_answer_is_cut_off(web, webhook_channel):
    web.answers.append(ENDLESS)

    assert await webhook_channel.send(a_message()) == "HTTP 200"


async def test_a_redirect_is_not_followed(web, webhook_channel):
    web.answers.append(
        f"HTTP/1.1 307 Elsewhere\r\nLocation: {web.url}2\r\nContent-Length: 0\r\n\r\n".encode()
    )

    with pytest.raises(ChannelFailure):
        await webhook_channel.send(a_message())

    assert len(web.received) == 1


async def test_a_webhook_down_is_tried_again(web, webhook_channel):
    await web.stop()

    with pytest.raises(ChannelFailure) as failure:
        await webhook_channel.send(a_message())

    assert not failure.value.permanent


@pytest.mark.parametrize("secret", ["whsec_!", "", "whsec_", "whsec_c2hvcnQ="])
def test_a_secret_nothing_can_be_signed_with_is_refused(client, secret):
    with pytest.raises(WebhookSecretUnusable):
        WebhookChannel(client, "https://example.org", [secret], deadline=PATIENT)


# email


async def test_a_mail_says_what_it_is(mail, email_channel):
    message = a_message()

    await email_channel.send(message)

    [received] = mail.accepted
    assert mail.recipients == ["anna@example.org"]
    assert received["Subject"] == message.subject
    assert received["From"] == "问卷 <qs@clinic.example.org>"
    assert received["To"] == "anna@example.org"
    assert received["Auto-Submitted"] == "auto-generated"
    assert received["Message-ID"] == f"<{message.notification_id}@clinic.example.org>"
    assert received.get_content().replace("\r\n", "\n") == message.text


@pytest.mark.parametrize(
    "address",
    [
        "anna@example.org\r\nBcc: eve@example.org",
        "anna@example.org\nX: y",
        "<anna@example.org>",
        "anna@example.org, eve@example.org",
        "anna",
        "",
        "@",
        "a" * 65 + "@example.org",
    ],
)
async def test_an_address_that_is_none_is_a_permanent_failure(mail, email_channel, address):
    with pytest.raises(ChannelFailure) as failure:
        await email_channel.send(a_message(address=address))

    assert failure.value.permanent
    assert mail.accepted == []


async def test_a_name_in_the_text_cannot_become_a_header(mail, email_channel):
    await email_channel.send(
        a_message(text="Hello Bcc: eve@example.org,\r\n\r\n.\r\nRCPT TO:<eve@example.org>\n")
    )

    [received] = mail.accepted
    assert received["Bcc"] is None
    assert mail.recipients == ["anna@example.org"]
    assert "RCPT TO" in received.get_content()


@pytest.mark.parametrize(
    ("answer", "permanent"),
    [("554 5.7.1 anna@example.org refused", True), ("451 4.3.0 try later", False), ("421 closing", False)],
)
async def test_the_first_digit_of_the_answer_decides(mail, email_channel, answer, permanent):
    mail.answers_to_data.append(answer)

    with pytest.raises(ChannelFailure) as failure:
        await email_channel.send(a_message())

    assert failure.value.permanent == permanent
    assert failure.value.answer.startswith(answer[:3])
    assert "anna" not in failure.value.answer


async def test_a_mail_server_down_and_up_again_gets_the_mail_then(mail, email_channel):
    message = a_message()
    await mail.stop()
    with pytest.raises(ChannelFailure) as failure:
        await email_channel.send(message)
    assert not failure.value.permanent

    await mail.start()
    await email_channel.send(message)

    assert UUID(mail.accepted[0]["Message-ID"].strip("<>").split("@")[0]) == message.notification_id


async def test_a_login_the_server_does_not_know_is_no_fault_of_the_message(mail):
    server = MailServer("127.0.0.1", mail.port, "none", "qs@example.org", "qs", "secret")

    with pytest.raises(ChannelFailure) as failure:
        await EmailChannel(server, deadline=PATIENT).send(a_message())

    assert not failure.value.permanent


async def test_a_mail_that_was_accepted_is_sent_although_the_server_hangs_at_the_farewell(
    mail, email_channel
):
    mail.hangs_at_quit = True

    async with asyncio.timeout(PATIENT.total_seconds() / 2):
        answer = await email_channel.send(a_message())

    assert answer.startswith("OK queued")
    assert len(mail.accepted) == 1


async def test_a_server_without_tls_gets_nothing_where_tls_is_asked_for(mail):
    for tls in ("starttls", "tls"):
        server = MailServer("127.0.0.1", mail.port, tls, "qs@example.org")

        with pytest.raises(ChannelFailure) as failure:
            await EmailChannel(server, deadline=PATIENT).send(a_message())

        assert not failure.value.permanent
    assert mail.accepted == []
