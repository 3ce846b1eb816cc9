"""Rules over the settings of e-mail and text messages."""

import re
from collections.abc import Iterator

from qs.settings.guessing import KEY_BITS, is_guessable
from qs.settings.sections import Settings

Problems = Iterator[tuple[str, str]]

_MAILBOX = re.compile(r"[^\s@<>()\[\],;:\\\"?&]{1,64}@[A-Za-z0-9.-]{1,255}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")


def find_messaging_problems(settings: Settings) -> Problems:
    """Every rule that they break, as (key, what is wrong and what is expected)."""
    mailbox = settings.notification.unsubscribe_mail
    if mailbox is not None and not _MAILBOX.fullmatch(mailbox):
        yield "notification.unsubscribe_mail", "is no mail address; expected one such as stop@example.org"
    yield from _sms(settings)
    yield from _receipts(settings)


def _sms(settings: Settings) -> Problems:
    sms = settings.notification.sms
    if sms.url is None:
        if "sms" in settings.notification_channels:
            yield "notification.sms.url", "is missing; the sms channel calls the gateway there"
        return
    if sms.body is None:
        yield "notification.sms.body", "is missing; it says what the gateway is sent, with {to} and {text}"
        return
    from qs.infra.notification.channels.sms_gateway import GatewayUnusable, SmsGateway

    try:
        SmsGateway.of(sms)
    except GatewayUnusable as error:
        name, _, expected = str(error).partition(": ")
        yield f"notification.sms.{name}", expected


def _receipts(settings: Settings) -> Problems:
    receipts = settings.notification.sms.receipts
    if receipts.signature != "none" and receipts.header is None:
        yield "notification.sms.receipts.header", "is missing; the signature stands in it"
    if receipts.header is not None and not _HEADER.fullmatch(receipts.header):
        yield "notification.sms.receipts.header", "expected the name of a header such as X-Signature"
    if receipts.secret is None and (receipts.header is not None or receipts.signature != "none"):
        yield "notification.sms.receipts.secret", "is missing; receipts are believed of nobody without it"
    if (
        settings.env == "production"
        and receipts.secret is not None
        and is_guessable(receipts.secret, KEY_BITS)
    ):
        yield (
            "notification.sms.receipts.secret",
            "can be guessed; expected the output of `openssl rand -hex 32`",
        )
    for name, pointer in (("reports", receipts.reports), ("id", receipts.id), ("status", receipts.status)):
        if pointer is not None and not pointer.startswith("/"):
            yield f"notification.sms.receipts.{name}", f"expected a JSON pointer such as /{name}"
