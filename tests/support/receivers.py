"""Real receivers of messages, on loopback: a mail server and a web server that do as they are told."""

import asyncio
import email
import email.policy
import json
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP


class HeldPort:
    """A port of loopback that nobody else is given until it is released, its receiver being up or down."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self._socket = socket.socket()
        # Bound and not listened on it refuses callers; by this option the receiver may listen beside it.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((address, 0))
        self.number = int(self._socket.getsockname()[1])

    def release(self) -> None:
        self._socket.close()


class MailReceiver:
    """Keeps what it accepts; ``answers`` are given instead, one per message, to RCPT or DATA: a reply or HANG.

    With ``hangs_at_quit`` it never says goodbye. With a ``context`` it speaks TLS from the first byte.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._held_port = HeldPort()
        self.port = self._held_port.number
        self.hangs_at_quit = False
        self.accepted: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.answers_to_rcpt: list[str] = []
        self.answers_to_data: list[str] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, hostname="mail.example.org", enable_SMTPUTF8=True, loop=loop),
            "127.0.0.1",
            self.port,
            ssl=self._context,
        )

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def close(self) -> None:
        await self.stop()
        self._held_port.release()

    async def handle_QUIT(self, server, session, envelope) -> str:
        if self.hangs_at_quit:
            await asyncio.sleep(3600)
        return "221 Bye"

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:
        if self.answers_to_rcpt:
            answer = self.answers_to_rcpt.pop(0)
            if answer == HANG:
                await asyncio.sleep(3600)
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope) -> str:
        if self.answers_to_data:
            return self.answers_to_data.pop(0)
        self.accepted.append(email.message_from_bytes(envelope.content, policy=email.policy.SMTP))
        self.recipients += envelope.rcpt_tos
        return f"250 OK queued for {envelope.rcpt_tos[0]}"


@dataclass
class Received:
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


HANG = "hang"
ENDLESS = "endless"
SLOW = "slow"


class WebReceiver:
    """Keeps what it is sent and answers 200, or what ``answers`` says: a status, a raw answer, HANG, ENDLESS or SLOW.

    With a ``context`` it speaks TLS. ``body`` is what it says with a 200 of its own.
    """

    def __init__(self, context: ssl.SSLContext | None = None, body: bytes = b"") -> None:
        self._context = context
        self.body = body
        self._held_port = HeldPort()
        self.port = self._held_port.number
        self.received: list[Received] = []
        self.answers: list[int | bytes | str] = []
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http{'s' if self._context else ''}://127.0.0.1:{self.port}/notifications"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._context)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def close(self) -> None:
        await self.stop()
        self._held_port.release()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._talk(reader, writer)
        finally:
            self._talks.discard(talk)
            writer.close()

    def _answer_to(self, received: Received) -> int | bytes | str:
        return self.answers.pop(0) if self.answers else 200

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.received.append(Received(head[0].split(" ")[1], headers, body))
        answer = self._answer_to(self.received[-1])
        if answer == HANG:
            await asyncio.sleep(3600)
        elif answer == ENDLESS:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
        elif answer == SLOW:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        elif isinstance(answer, bytes):
            writer.write(answer)
        else:
            body = self.body if answer == 200 else b""
            told = f"HTTP/1.1 {answer} As Told\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(told.encode() + body)
        await writer.drain()
