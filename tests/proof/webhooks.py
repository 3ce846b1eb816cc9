"""A receiver of webhooks in the test's own process, which no fault touches, and its log of what arrived."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from tests.support.receivers import ENDLESS, HANG, WebReceiver

_CHUNK = b"x" * 65536


@dataclass(frozen=True)
class Arrival:
    """A message that arrived whole and well signed, at ``time.monotonic``, and the status it was answered with.

    ``status`` 0 stands for an answer that has none or never ends.
    """

    message_id: str
    at: float
    body: dict[str, Any]
    status: int = 200


@dataclass(frozen=True)
class Told:
    """How to answer: a status and headers after a delay, or raw bytes, HANG or ENDLESS as ``raw``."""

    status: int = 200
    delay_s: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | str | None = None


class WebhookLog(WebReceiver):
    """Verifies every message as a receiver of Standard Webhooks does, and logs it before it answers.

    ``answer`` is what it says, ``answers`` are said first, one each; ``choose``, where set, decides by the message.
    A message whose signature is wrong is answered with 401 and kept in ``forged``. With ``any_time`` the timestamp may
    be old or early, as it is when a scenario moves the sender's clock.
    """

    def __init__(self, *, any_time: bool = False) -> None:
        super().__init__()
        self.secret = "whsec_" + base64.b64encode(b"a secret of the proof's receiver").decode()
        self.arrivals: list[Arrival] = []
        self.forged: list[tuple[Mapping[str, str], bytes]] = []
        self.answer = Told()
        self.answers: list[Told] = []  # type: ignore[assignment]
        self.choose: Callable[[str], Told] | None = None
        self._any_time = any_time
        self._verifier = Webhook(self.secret)

    async def __aenter__(self) -> "WebhookLog":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def trust(self, secret: str) -> None:
        """From now on messages are signed with this secret, which begins with ``whsec_``."""
        self.secret = secret
        self._verifier = Webhook(secret)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks"

    @property
    def message_ids(self) -> set[str]:
        return {arrival.message_id for arrival in self.arrivals}

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if not self._is_signed(headers, body):
            self.forged.append((headers, body))
            await _answer(writer, Told(401))
            return
        message_id = headers["webhook-id"]
        told = self._next(message_id)
        status = told.status if told.raw is None else 0
        self.arrivals.append(Arrival(message_id, time.monotonic(), json.loads(body), status))
        await _answer(writer, told)

    def _next(self, message_id: str) -> Told:
        if self.choose is not None:
            return self.choose(message_id)
        return self.answers.pop(0) if self.answers else self.answer

    def _is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        if self._any_time:
            return self._is_signed_at_any_time(headers, body)
        try:
            self._verifier.verify(body, dict(headers))
        except (WebhookVerificationError, ValueError):
            return False
        return True

    def _is_signed_at_any_time(self, headers: Mapping[str, str], body: bytes) -> bool:
        try:
            signed_at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
            expected = self._verifier.sign(headers["webhook-id"], signed_at, body.decode())
            given = headers["webhook-signature"].split(" ")
        except (KeyError, ValueError, OverflowError):
            return False
        return any(hmac.compare_digest(each, expected) for each in given)


async def _answer(writer: asyncio.StreamWriter, told: Told) -> None:
    await asyncio.sleep(told.delay_s)
    if told.raw == HANG:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    elif told.raw == ENDLESS:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(_CHUNK)
            await writer.drain()
    elif isinstance(told.raw, bytes):
        writer.write(told.raw)
    else:
        more = "".join(f"{name}: {value}\r\n" for name, value in told.headers.items())
        writer.write(
            f"HTTP/1.1 {told.status} As Told\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
    await writer.drain()
