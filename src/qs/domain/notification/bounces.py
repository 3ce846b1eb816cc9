"""Delivery status notifications: mails in which a mail server says what became of another (RFC 3464)."""

import email
import email.policy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import MessageError
from email.message import Message
from uuid import UUID

from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.notification.fates import Fate, Report

_OUR_ID = re.compile(r"<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@[^<>\s]{1,255}>")
_STATUS = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})\b", re.ASCII)


class NoBounce(Invalid):
    """A mail from which nothing about one of our messages can be learned."""

    code = "bounce.unreadable"
    sentence = "the mail reports of no message of ours; send the delivery status notification as the mail server wrote it"

    def __init__(self, detail: str) -> None:
        super().__init__([Problem("", detail)])


@dataclass(frozen=True, slots=True)
class Bounce:
    """What is said of one message. ``report`` is None where it is not lost: delayed, relayed, or delivered."""

    notification_id: UUID
    report: Report | None


def read_bounce(raw: bytes) -> Bounce:
    """What the notification says.

    A message is lost where the mail server has given up (``Action: failed``), by a status of class 5 or, when the
    next server was away for days, of class 4.

    Raises:
        NoBounce: it is no such notification, or of a mail that is not ours.
    """
    try:
        parsed = email.message_from_bytes(raw, policy=email.policy.compat32)
        blocks = list(_status_blocks(parsed))
        ours = next(_returned_ids(parsed), None)
    except (MessageError, ValueError, LookupError, RecursionError) as error:
        raise NoBounce("must be a mail as RFC 5322 has it") from error
    if not blocks:
        raise NoBounce("must hold a part of type message/delivery-status")
    if ours is None:
        raise NoBounce("must return the header of the mail, with the Message-ID that it had")
    failed = [block for block in blocks if str(block.get("Action", "")).strip().lower() == "failed"]
    statuses = [found for block in failed if (found := _STATUS.match(str(block.get("Status", ""))))]
    lost = next((found for found in statuses if found[1] != "2"), None)
    if lost is None:
        return Bounce(ours, None)
    return Bounce(ours, Report(Fate.BOUNCED, ".".join(lost.groups())))


def _status_blocks(mail: Message) -> Iterator[Message]:
    """The groups of fields about one recipient each; the first group is about the message as a whole."""
    for part in mail.walk():
        if part.get_content_type() == "message/delivery-status" and isinstance(part.get_payload(), list):
            yield from (block for block in part.get_payload() if isinstance(block, Message))


def _returned_ids(mail: Message) -> Iterator[UUID]:
    """The ids in the Message-IDs of what was returned: the whole mail, or its header as text."""
    for part in mail.walk():
        if part is not mail and part.get("Message-ID"):
            yield from _ids_in(str(part["Message-ID"]))
        if part.get_content_type() == "text/rfc822-headers":
            content = part.get_payload(decode=True)
            header = email.message_from_bytes(content if isinstance(content, bytes) else b"")
            yield from _ids_in(str(header.get("Message-ID", "")))


def _ids_in(message_id: str) -> Iterator[UUID]:
    if found := _OUR_ID.fullmatch(message_id.strip()):
        yield UUID(found[1])
