"""A client of NSQ's TCP protocol, version 2, of the commands that qs needs.

There is no well-kept asyncio library for it. Source: https://nsq.io/clients/tcp_protocol_spec.html
"""

import asyncio
import json
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

_MAGIC = b"  V2"
_RESPONSE, _ERROR, _MESSAGE = 0, 1, 2
_HEARTBEAT = b"_heartbeat_"
_OK = b"OK"
# Answers to commands that have none when all is well: the message timed out and is another consumer's by now.
_HARMLESS = (b"E_FIN_FAILED", b"E_REQ_FAILED", b"E_TOUCH_FAILED")
_LARGEST_FRAME = 16 * 1024 * 1024
_HEARTBEAT_MS, _MESSAGE_TIMEOUT_MS = 10_000, 60_000
# nsqd ends a connection that answers no heartbeat for two intervals; so do we with one that sends none.
_SILENT_S = _HEARTBEAT_MS / 1000 * 2.5


class NsqError(Exception):
    """nsqd answered with an error, whose code it holds, or broke the protocol."""


class NsqMessage(NamedTuple):
    """``attempts`` counts how often it was handed out, from 1."""

    id: bytes
    attempts: int
    body: bytes


class NsqClient:
    """One connection. Every method raises NsqError, OSError or EOFError when the connection is of no more use."""

    def __init__(
        self, host: str, port: int, *, tls: ssl.SSLContext | None = None, secret: str | None = None
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._secret = secret
        self._on_message: Callable[[NsqMessage], None] = lambda message: None
        self._answers: deque[asyncio.Future[bytes]] = deque()
        self._reading: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        return self._reading is not None and not self._reading.done()

    async def connect(self) -> None:
        """Connects, negotiates, and begins to read."""
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        self._writer.write(_MAGIC)
        identity = {
            "client_id": "qs",
            "user_agent": "qs",
            "feature_negotiation": True,
            "heartbeat_interval": _HEARTBEAT_MS,
            "msg_timeout": _MESSAGE_TIMEOUT_MS,
            "tls_v1": self._tls is not None,
        }
        self._write(b"IDENTIFY\n", json.dumps(identity).encode())
        agreed: dict[str, Any] = json.loads(await self._answer())
        if self._tls is not None:
            if not agreed.get("tls_v1"):
                raise NsqError("E_NO_TLS")
            await self._writer.start_tls(self._tls, server_hostname=self._host)
            _expect_ok(await self._answer())
        if agreed.get("auth_required"):
            self._write(b"AUTH\n", (self._secret or "").encode())
            await self._answer()
        self._reading = asyncio.create_task(self._read(), name="nsq-read")

    async def publish(self, topic: str, bodies: Sequence[bytes]) -> None:
        """Stores all of them or none."""
        sized = b"".join(len(body).to_bytes(4, "big") + body for body in bodies)
        self._check_open()
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        self._write(f"MPUB {topic}\n".encode(), len(bodies).to_bytes(4, "big") + sized)
        await self._writer.drain()
        _expect_ok(await answer)

    async def subscribe(
        self, topic: str, channel: str, at_once: int, on_message: Callable[[NsqMessage], None]
    ) -> None:
        """Has messages handed over, so many before one of them is finished or put back."""
        self._on_message = on_message
        self._check_open()
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        self._writer.write(f"SUB {topic} {channel}\n".encode())
        await self._writer.drain()
        _expect_ok(await answer)
        self._writer.write(f"RDY {at_once}\n".encode())
        await self._writer.drain()

    async def finish(self, message: NsqMessage) -> None:
        """It was handled and does not come again."""
        await self._command(b"FIN " + message.id + b"\n")

    async def put_back(self, message: NsqMessage, after_ms: int) -> None:
        """It comes again after that time."""
        await self._command(b"REQ " + message.id + f" {after_ms}\n".encode())

    async def stop(self) -> None:
        """Closes the connection; what was not finished comes to somebody else."""
        if self._reading is not None:
            self._reading.cancel()
            with suppress(BaseException):
                await self._reading
        writer: asyncio.StreamWriter | None = getattr(self, "_writer", None)
        if writer is not None:
            writer.close()
            with suppress(Exception):
                await writer.wait_closed()

    async def _command(self, line: bytes) -> None:
        self._check_open()
        self._writer.write(line)
        await self._writer.drain()

    def _check_open(self) -> None:
        if not self.is_open:
            raise NsqError("E_CLOSED")

    def _write(self, line: bytes, body: bytes) -> None:
        self._writer.write(line + len(body).to_bytes(4, "big") + body)

    async def _answer(self) -> bytes:
        """The next answer while nothing else reads."""
        while True:
            kind, data = await self._frame()
            if kind == _ERROR:
                raise NsqError(_code(data))
            if data != _HEARTBEAT:
                return data
            self._writer.write(b"NOP\n")

    async def _frame(self) -> tuple[int, bytes]:
        head = await self._reader.readexactly(8)
        size, kind = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big")
        if not 4 <= size <= _LARGEST_FRAME:
            raise NsqError("E_BAD_FRAME")
        return kind, await self._reader.readexactly(size - 4)

    async def _read(self) -> None:
        failure: Exception = NsqError("E_CLOSED")
        try:
            while True:
                async with asyncio.timeout(_SILENT_S):
                    kind, data = await self._frame()
                self._take(kind, data)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody gets an answer any more
            failure = error
        finally:
            for answer in self._answers:
                if not answer.done():
                    answer.set_exception(failure)
                    # Whoever waited may have gone.
                    answer.exception()
            self._answers.clear()

    def _take(self, kind: int, data: bytes) -> None:
        if kind == _MESSAGE:
            self._on_message(NsqMessage(data[10:26], int.from_bytes(data[8:10], "big"), data[26:]))
        elif data == _HEARTBEAT:
            self._writer.write(b"NOP\n")
        elif kind == _ERROR and data.startswith(_HARMLESS):
            return
        elif self._answers:
            answer = self._answers.popleft()
            if answer.done():
                return
            if kind == _ERROR:
                answer.set_exception(NsqError(_code(data)))
            else:
                answer.set_result(data)


def _expect_ok(answer: bytes) -> None:
    if answer != _OK:
        raise NsqError("E_UNEXPECTED")


def _code(data: bytes) -> str:
    # What follows the code may repeat what was sent.
    return data.split(b" ", 1)[0][:40].decode("ascii", errors="replace")
