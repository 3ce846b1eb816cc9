"""Mails by SMTP."""

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, localtime, parseaddr
from typing import Literal

import aiosmtplib

from qs.application.kernel.mailing import Mail, MailFailure
from qs.infra.mail.list_headers import POLICY, offer_to_stop

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


class SmtpMailer:
    """Implements Mailer: one connection per mail."""

    def __init__(self, server: MailServer, *, deadline: timedelta) -> None:
        self._server = server
        name, address = parseaddr(server.sender)
        self._sender = _address(address, name)
        self._deadline_s = deadline.total_seconds()

    async def send(self, mail: Mail) -> str:
        message = self._message(mail)
        client = self._client()
        try:
            async with asyncio.timeout(self._deadline_s):
                await client.connect()
                _, answer = await client.send_message(
                    message, sender=self._sender.addr_spec, recipients=[mail.to]
                )
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _refused(error.recipients[0]) from error
        except (
            aiosmtplib.SMTPAuthenticationError,
            aiosmtplib.SMTPConnectError,
            aiosmtplib.SMTPHeloError,
        ) as error:
            # Our own settings or the server's state; nothing about this message.
            raise MailFailure(_told(error), permanent=False) from error
        except aiosmtplib.SMTPResponseException as error:
            raise _refused(error) from error
        except (aiosmtplib.SMTPException, TimeoutError, OSError) as error:
            # Who does not answer gets no farewell.
            client.close()
            raise MailFailure(type(error).__name__, permanent=False) from error
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

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage(policy=POLICY)
        try:
            message["From"] = self._sender
            message["To"] = _address(mail.to)
            message["Subject"] = mail.subject
        except ValueError as error:
            raise MailFailure("the address is malformed", permanent=True) from error
        message["Date"] = format_datetime(localtime())
        message["Message-ID"] = f"<{mail.id}@{self._sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        offer_to_stop(message, mail.unsubscribe)
        message.set_content(mail.text)
        # After the content, which takes away whatever was said of the one before.
        message["Content-Language"] = mail.language
        return message


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


def _refused(error: aiosmtplib.SMTPResponseException) -> MailFailure:
    return MailFailure(_told(error), permanent=error.code >= 500)


def _told(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _without_addresses(f"{error.code} {error.message}")
    return type(error).__name__


def _without_addresses(answer: str) -> str:
    """Servers like to repeat whom they refuse."""
    return _ANY_ADDRESS.sub("…", " ".join(answer.split()))[:200]
