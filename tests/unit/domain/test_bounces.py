"""Mails in which a mail server says what became of another."""

from uuid import UUID

import pytest

from qs.domain.notification.bounces import NoBounce, read_bounce

OURS = UUID("0190a0b0-c0ff-7ee0-8000-00000000beef")


def a_notification(
    action="failed", status="5.1.1", *, message_id=f"<{OURS}@clinic.example.org>", returned="message/rfc822"
) -> bytes:
    """As Postfix writes it."""
    return f"""\
Return-Path: <>
Message-ID: <20260309110000.4F1AB@mx.example.org>
From: MAILER-DAEMON@mx.example.org (Mail Delivery System)
To: qs@clinic.example.org
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: text/plain; charset=us-ascii

<anna@example.org>: host mx2.example.org said: 550 5.1.1 User unknown

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org
Arrival-Date: Mon, 9 Mar 2026 11:00:00 +0000

Final-Recipient: rfc822; anna@example.org
Original-Recipient: rfc822;anna@example.org
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 5.1.1 User unknown

--B
Content-Type: {returned}

Message-ID: {message_id}
To: anna@example.org
Subject: A questionnaire is ready for you

--B--
""".replace("\n", "\r\n").encode()


@pytest.mark.parametrize("returned", ["message/rfc822", "text/rfc822-headers", "message/rfc822-headers"])
def test_a_mail_that_was_given_up_is_lost(returned):
    bounce = read_bounce(a_notification(returned=returned))

    assert bounce.notification_id == OURS
    assert bounce.report is not None
    assert bounce.report.told == "bounced 5.1.1"
    assert bounce.report.lost


@pytest.mark.parametrize(
    ("action", "status", "lost"),
    [
        ("failed", "5.2.2 (mailbox full)", True),
        ("Failed", " 5.7.1", True),
        # Given up after days of trying.
        ("failed", "4.4.1", True),
        ("failed", "2.0.0", False),
        ("failed", "nonsense", False),
        ("delayed", "4.4.1", False),
        ("relayed", "2.1.9", False),
        ("delivered", "2.0.0", False),
    ],
)
def test_only_what_a_mail_server_gave_up_is_lost(action, status, lost):
    assert (read_bounce(a_notification(action, status)).report is not None) == lost


def test_a_bounce_tells_no_address():
    report = read_bounce(a_notification()).report

    assert report is not None
    assert "@" not in report.told


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "message/delivery-status"),
        (b"\xff\xfe\x00 nonsense", "message/delivery-status"),
        (b"Subject: out of office\r\n\r\nI am away.\r\n", "message/delivery-status"),
        (a_notification(message_id="<somebody@else.example>"), "Message-ID"),
        (a_notification(message_id=f"<{OURS}>"), "Message-ID"),
        (a_notification(returned="text/plain"), "Message-ID"),
        # Whatever stands in the text of a mail is no header of ours.
        (a_notification(returned="text/html").replace(b"Return-Path: <>", b"X: <>"), "Message-ID"),
    ],
)
def test_a_mail_that_reports_of_none_of_ours_is_refused(raw, why):
    with pytest.raises(NoBounce) as refused:
        read_bounce(raw)

    assert why in refused.value.problems[0].detail


def test_a_mail_of_many_parts_ends():
    nested = b"Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n" * 2000

    with pytest.raises(NoBounce):
        read_bounce(nested)
