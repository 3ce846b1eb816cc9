"""Whether a mail server would take a mail: it answers, speaks TLS as it should, and lets qs log in. None is sent."""

import asyncio
import ssl
from datetime import timedelta
from typing import Literal

import aiosmtplib

from qs.infra.mail.smtp import MailServer

Obstacle = Literal["away", "tls", "login"]


class MailServerUnusable(Exception):
    """``obstacle`` is what mails would come to grief on; the text is what the server said, or what became of the call."""

    def __init__(self, obstacle: Obstacle, said: str) -> None:
        super().__init__(said)
        self.obstacle: Obstacle = obstacle


async def try_mail_server(server: MailServer, deadline: timedelta) -> None:
    """Returns if the server would take a mail.

    Raises:
        MailServerUnusable: it would not, or does not say so within the deadline.
    """
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        use_tls=server.tls == "tls",
        start_tls=False,
        timeout=deadline.total_seconds(),
    )
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            await client.connect()
            if server.tls == "starttls":
                await client.starttls()
            if server.username is not None:
                await client.login(server.username, server.password or "")
            await client.quit()
    except aiosmtplib.SMTPAuthenticationError as error:
        raise MailServerUnusable("login", f"{error.code} {_line(error.message)}") from error
    except (aiosmtplib.SMTPException, TimeoutError, OSError) as error:
        raise MailServerUnusable(_obstacle(error), _line(str(error)) or type(error).__name__) from error
    finally:
        client.close()


def _obstacle(failure: Exception) -> Obstacle:
    if "SMTP AUTH" in str(failure):
        return "login"
    error: BaseException | None = failure
    while error is not None:
        if isinstance(error, ssl.SSLError) or "STARTTLS" in str(error):
            return "tls"
        error = error.__cause__ or error.__context__
    return "away"


def _line(text: str) -> str:
    return " ".join(text.split())[:200]
