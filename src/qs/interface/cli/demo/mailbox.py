"""A real SMTP server that receives what qs sends and hands out the links in it."""

import asyncio
import re
from email import message_from_bytes
from email.policy import default
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.smtp import SMTP, Envelope, Session

_LINK = re.compile(r"https?://\S+")


class Mailbox:
    """Listens on a free port of the loopback interface until ``close``."""

    def __init__(self) -> None:
        self._links: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue()
        self._server: asyncio.Server | None = None
        self.received = 0

    async def open(self) -> int:
        """Starts to listen; returns the port that the system chose."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, enable_SMTPUTF8=True, loop=loop), "127.0.0.1", 0
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def links(self, count: int, within: float) -> dict[str, tuple[str, str]]:
        """The next ``count`` links as (token, task id) by recipient. Raises TimeoutError with what is missing."""
        found: dict[str, tuple[str, str]] = {}
        try:
            async with asyncio.timeout(within):
                while len(found) < count:
                    recipient, token, task_id = await self._links.get()
                    found[recipient] = (token, task_id)
        except TimeoutError:
            raise TimeoutError(
                f"only {len(found)} of {count} messages with a link arrived in {within:g} s"
            ) from None
        return found

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Takes one message in; the name is aiosmtpd's."""
        assert isinstance(envelope.content, bytes)
        self.received += 1
        body = message_from_bytes(envelope.content, policy=default).get_body(("plain",))
        match = _LINK.search(body.get_content()) if body is not None else None
        query = parse_qs(urlsplit(match[0]).query) if match else {}
        if "token" in query and "task_id" in query:
            for recipient in envelope.rcpt_tos:
                self._links.put_nowait((recipient, query["token"][0], query["task_id"][0]))
        return "250 Accepted"
