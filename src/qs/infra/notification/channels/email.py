"""Messages by SMTP."""

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, localtime, parseaddr
from typing import Literal

import aiosmtplib

from qs.application.notification.ports import ChannelFailure, Message

_PLAIN_ADDRESS = re.compile(
    r"[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f]{1,64}@[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f]{1,255}"
)
_ANY_ADDRESS = re.compile(r"\S+@\S+")
_FAREWELL_S = 1.0


@dataclass(frozen=True, slots=True)
class MailServer:
    """``sender`` is the From, with or without a name; ``tls`` from the first byte, by STARTTLS, or none."""

    host: str
    port: int
    tls: Literal["none", "starttls", "tls"]
    sender: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)


class EmailChannel:
    """One connection per message; the Message-ID is made of the notification id and thus the same at every attempt."""

    name = "email"
    needs_address = True

    def __init__(self, server: MailServer, *, deadline: timedelta) -> None:
        self._server = server
        name, address = parseaddr(server.sender)
        self._sender = _address(address, name)
        self._deadline_s = deadline.total_seconds()

    async def send(self, message: Message) -> str:
        mail = self._mail(message)
        client = self._client()
        try:
            async with asyncio.timeout(self._deadline_s):
                await client.connect()
                _, answer = await client.send_message(
                    mail, sender=self._sender.addr_spec, recipients=[message.address or ""]
                )
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _refused(error.recipients[0]) from error
        except (
            aiosmtplib.SMTPAuthenticationError,
            aiosmtplib.SMTPConnectError,
            aiosmtplib.SMTPHeloError,
        ) as error:
            # Our own settings or the server's state; nothing about this message.
            raise ChannelFailure(_told(error), permanent=False) from error
        except aiosmtplib.SMTPResponseException as error:
            raise _refused(error) from error
        except (aiosmtplib.SMTPException, TimeoutError, OSError) as error:
            # Who does not answer gets no farewell.
            client.close()
            raise ChannelFailure(type(error).__name__, permanent=False) from error
        finally:
            await _take_leave(client)
        return _without_addresses(answer)

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls == "tls",
            start_tls=server.tls == "starttls",
            username=server.username,
            password=server.password,
            timeout=self._deadline_s,
        )

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage(policy=SMTP_POLICY)
        try:
            mail["From"] = self._sender
            mail["To"] = _address(message.address or "")
            mail["Subject"] = message.subject
        except ValueError as error:
            raise ChannelFailure("the address is malformed", permanent=True) from error
        mail["Date"] = format_datetime(localtime())
        mail["Message-ID"] = f"<{message.notification_id}@{self._sender.domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail["Content-Language"] = message.locale
        mail.set_content(message.text)
        return mail


async def _take_leave(client: aiosmtplib.SMTP) -> None:
    # The server has the message or not by now, whatever it makes of the farewell.
    with suppress(aiosmtplib.SMTPException, TimeoutError, OSError):
        if client.is_connected:
            await client.quit(timeout=_FAREWELL_S)
    client.close()


def _address(address: str, name: str = "") -> Address:
    if not _PLAIN_ADDRESS.fullmatch(address):
        raise ValueError("not a mail address")
    username, _, domain = address.rpartition("@")
    return Address(display_name=name, username=username, domain=domain)


def _refused(error: aiosmtplib.SMTPResponseException) -> ChannelFailure:
    return ChannelFailure(_told(error), permanent=error.code >= 500)


def _told(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _without_addresses(f"{error.code} {error.message}")
    return type(error).__name__


def _without_addresses(answer: str) -> str:
    """Servers like to repeat whom they refuse."""
    return _ANY_ADDRESS.sub("…", " ".join(answer.split()))[:200]
