"""Messages by e-mail."""

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import pytest

from qs.application.notification.ports import ChannelFailure
from qs.infra.mail.smtp import MailServer
from qs.infra.notification.channels.email import EmailChannel
from tests.integration.notification.channels.conformance import (
    PATIENT,
    SECRETS,
    DistantConformance,
    Rig,
    a_message,
    running,
    uuid_of,
)
from tests.support.receivers import MailReceiver

SENDER = "问卷 <qs@clinic.example.org>"


@pytest.fixture
def channel(mail: Any) -> Any:
    return EmailChannel(MailServer("127.0.0.1", mail.port, "none", SENDER), deadline=PATIENT)


class TestEmail(DistantConformance):
    @pytest.fixture
    def rig(self, mail) -> Rig:
        def channel(port: int, tls: Any, deadline: Any) -> Any:
            return EmailChannel(MailServer("127.0.0.1", port, tls, SENDER), deadline=deadline)

        @asynccontextmanager
        async def with_context(context):
            async with running(MailReceiver(context)) as receiver:
                yield channel(receiver.port, "tls", PATIENT)
                mail.accepted += receiver.accepted

        return Rig(
            lambda deadline: channel(mail.port, "none", deadline),
            a_message(),
            lambda: [uuid_of(message["Message-ID"]) for message in mail.accepted],
            secrets=SECRETS,
            answer=mail.answers_to_rcpt.append,
            temporary="450 4.2.1 <anna@example.org> mailbox busy",
            permanent="550 5.1.1 <anna@example.org> unknown",
            start=mail.start,
            stop=mail.stop,
            with_context=with_context,
        )


async def test_a_mail_says_what_it_is(mail, channel):
    message = a_message()

    await channel.send(message)

    [received] = mail.accepted
    assert mail.recipients == ["anna@example.org"]
    assert received["Subject"] == message.subject
    assert received["From"] == SENDER
    assert received["To"] == "anna@example.org"
    assert received["Auto-Submitted"] == "auto-generated"
    assert received["Content-Language"] == "zh"
    assert received["Message-ID"] == f"<{message.notification_id}@clinic.example.org>"
    assert received["List-Unsubscribe"] is None
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
async def test_an_address_that_is_none_is_a_permanent_failure(mail, channel, address):
    with pytest.raises(ChannelFailure) as failure:
        await channel.send(a_message(address=address))

    assert failure.value.permanent
    assert mail.accepted == []


async def test_a_name_in_the_text_cannot_become_a_header(mail, channel):
    await channel.send(a_message(text="Hello Bcc: eve@example.org,\r\n\r\n.\r\nRCPT TO:<eve@example.org>\n"))

    [received] = mail.accepted
    assert received["Bcc"] is None
    assert mail.recipients == ["anna@example.org"]
    assert "RCPT TO" in received.get_content()


@pytest.mark.parametrize(
    ("answer", "permanent"),
    [("554 5.7.1 anna@example.org refused", True), ("451 4.3.0 try later", False), ("421 closing", False)],
)
async def test_the_first_digit_of_the_answer_decides(mail, channel, answer, permanent):
    mail.answers_to_data.append(answer)

    with pytest.raises(ChannelFailure) as failure:
        await channel.send(a_message())

    assert failure.value.permanent == permanent
    assert failure.value.answer.startswith(answer[:3])
    assert "anna" not in failure.value.answer


async def test_a_login_the_server_does_not_know_is_no_fault_of_the_message(mail):
    server = MailServer("127.0.0.1", mail.port, "none", "qs@example.org", "qs", "secret")

    with pytest.raises(ChannelFailure) as failure:
        await EmailChannel(server, deadline=PATIENT).send(a_message())

    assert not failure.value.permanent


async def test_a_mail_that_was_accepted_is_sent_although_the_server_hangs_at_the_farewell(mail, channel):
    mail.hangs_at_quit = True

    async with asyncio.timeout(PATIENT.total_seconds() / 2):
        answer = await channel.send(a_message())

    assert answer.startswith("OK queued")
    assert len(mail.accepted) == 1


async def test_a_server_without_tls_gets_nothing_where_tls_is_asked_for(mail):
    for tls in ("starttls", "tls"):
        server = MailServer("127.0.0.1", mail.port, tls, "qs@example.org")

        with pytest.raises(ChannelFailure) as failure:
            await EmailChannel(server, deadline=PATIENT).send(a_message())

        assert not failure.value.permanent
    assert mail.accepted == []


TOKEN = "AQJrMcRjHXsLz44MowdisspAVVy1i-KlBWsSSqYwA-Hp-8XglAYJyBYHY1KrQiS5bos4MUe39yWkUtjqE2eYkwVdHW8w12ff2w"


@pytest.mark.parametrize(
    ("url", "mailbox", "expected", "one_click"),
    [
        (f"https://qs.example.org/unsubscribe/{TOKEN}", None, "<{url}>", True),
        (
            f"https://qs.example.org/unsubscribe/{TOKEN}",
            "stop@example.org",
            "<{url}>, <mailto:stop@example.org?subject={token}>",
            True,
        ),
        (f"http://127.0.0.1/unsubscribe/{TOKEN}", None, "<{url}>", False),
        (None, "stop@example.org", "<mailto:stop@example.org?subject=unsubscribe>", False),
    ],
)
async def test_a_mail_says_how_to_stop_such_mails(mail, url, mailbox, expected, one_click):
    server = MailServer("127.0.0.1", mail.port, "none", SENDER)
    channel = EmailChannel(server, deadline=PATIENT, unsubscribe_mail=mailbox)

    await channel.send(a_message(unsubscribe_url=url))

    [received] = mail.accepted
    # As it is on the wire: mail programs read neither encoded words nor addresses broken in two.
    raw = dict(received.raw_items())
    assert raw["List-Unsubscribe"].replace("\r\n", "") == expected.format(url=url, token=TOKEN)
    assert received["List-Unsubscribe-Post"] == ("List-Unsubscribe=One-Click" if one_click else None)


async def test_a_mail_to_staff_offers_no_way_to_stop(mail):
    server = MailServer("127.0.0.1", mail.port, "none", SENDER)

    await EmailChannel(server, deadline=PATIENT, unsubscribe_mail="stop@example.org").send(
        a_message(recipient="staff:0")
    )

    [received] = mail.accepted
    assert received["List-Unsubscribe"] is None
