"""A server of NSQ's TCP protocol for tests, made from its specification; no real nsqd is asked.

Messages wait per topic and channel, are handed out by RDY, come again after REQ, a lost connection or the message timeout,
and stay over a restart, as nsqd's do that were written to its disk.
"""

import asyncio
import json
import time
from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, field

from tests.support.ports import lasting_port

RESPONSE, ERROR, MESSAGE = 0, 1, 2


@dataclass
class Stored:
    id: bytes
    body: bytes
    attempts: int = 0


@dataclass
class Channel:
    waiting: deque[Stored] = field(default_factory=deque)
    consumers: list["Connection"] = field(default_factory=list)


class Nsqd:
    """``received`` holds every body of every topic, in the order it came."""

    def __init__(self, *, secret: str | None = None, message_timeout_s: float = 60.0) -> None:
        self.received: dict[str, list[bytes]] = defaultdict(list)
        self.port = lasting_port()
        self.secret = secret
        self.message_timeout_s = message_timeout_s
        self.channels: dict[str, dict[str, Channel]] = defaultdict(dict)
        self._backlog: dict[str, list[Stored]] = defaultdict(list)
        self._number = 0
        self._server: asyncio.Server | None = None
        self._open: set[Connection] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in list(self._open):
            connection.close()
        await self._server.wait_closed()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def put(self, topic: str, body: bytes) -> None:
        self.received[topic].append(body)
        channels = self.channels[topic]
        for name in channels or [None]:
            self._number += 1
            stored = Stored(f"{self._number:016x}".encode(), body)
            if name is None:
                self._backlog[topic].append(stored)
            else:
                channels[name].waiting.append(stored)
        for channel in channels.values():
            hand_out(channel)

    def channel(self, topic: str, name: str) -> Channel:
        """The channel; the first of a topic gets what came before there was one."""
        channels = self.channels[topic]
        if name not in channels:
            channels[name] = Channel(deque(self._backlog.pop(topic, [])))
        return channels[name]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self, reader, writer)
        self._open.add(connection)
        try:
            with suppress(OSError, EOFError):
                await connection.serve()
        finally:
            self._open.discard(connection)
            connection.close()


class Connection:
    def __init__(self, nsqd: Nsqd, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._nsqd = nsqd
        self._reader = reader
        self._writer = writer
        self._authorised = nsqd.secret is None
        self._channel: Channel | None = None
        self.ready = 0
        self.in_flight: dict[bytes, tuple[Stored, asyncio.TimerHandle]] = {}

    async def serve(self) -> None:
        assert await self._reader.readexactly(4) == b"  V2"
        self.heartbeat()
        while line := await self._reader.readline():
            verb, *words = line.decode().split()
            if verb in ("MPUB", "PUB", "SUB") and not self._authorised:
                self.send(ERROR, b"E_UNAUTHORIZED")
                return
            await getattr(self, verb.lower())(*words)

    async def identify(self) -> None:
        wanted = json.loads(await self._sized())
        assert wanted["feature_negotiation"] is True
        agreed = {"max_rdy_count": 2500, "tls_v1": False, "auth_required": self._nsqd.secret is not None}
        self.send(RESPONSE, json.dumps(agreed).encode())

    async def auth(self) -> None:
        self._authorised = (await self._sized()).decode() == self._nsqd.secret
        self.send(
            RESPONSE if self._authorised else ERROR, b"{}" if self._authorised else b"E_UNAUTHORIZED no"
        )

    async def mpub(self, topic: str) -> None:
        await self._size()
        for _ in range(await self._size()):
            self._nsqd.put(topic, await self._sized())
        self.send(RESPONSE, b"OK")

    async def pub(self, topic: str) -> None:
        self._nsqd.put(topic, await self._sized())
        self.send(RESPONSE, b"OK")

    async def sub(self, topic: str, name: str) -> None:
        self._channel = self._nsqd.channel(topic, name)
        self._channel.consumers.append(self)
        self.send(RESPONSE, b"OK")

    async def rdy(self, count: str) -> None:
        assert self._channel is not None
        self.ready = int(count)
        hand_out(self._channel)

    async def fin(self, id_: str) -> None:
        if self._taken(id_) is None:
            self.send(ERROR, f"E_FIN_FAILED FIN {id_} failed".encode())
        if self._channel is not None:
            hand_out(self._channel)

    async def req(self, id_: str, after_ms: str) -> None:
        stored = self._taken(id_)
        if stored is None:
            self.send(ERROR, f"E_REQ_FAILED REQ {id_} failed".encode())
        else:
            asyncio.get_running_loop().call_later(int(after_ms) / 1000, self.put_back, stored)

    async def nop(self) -> None:
        pass

    def deliver(self, stored: Stored) -> None:
        stored.attempts += 1
        timer = asyncio.get_running_loop().call_later(
            self._nsqd.message_timeout_s, lambda: self._timed_out(stored.id)
        )
        self.in_flight[stored.id] = (stored, timer)
        at, attempts = time.time_ns().to_bytes(8, "big"), stored.attempts.to_bytes(2, "big")
        self.send(MESSAGE, at + attempts + stored.id + stored.body)

    def put_back(self, stored: Stored) -> None:
        assert self._channel is not None
        self._channel.waiting.append(stored)
        hand_out(self._channel)

    def heartbeat(self) -> None:
        if not self._writer.is_closing():
            self.send(RESPONSE, b"_heartbeat_")
            asyncio.get_running_loop().call_later(0.2, self.heartbeat)

    def send(self, kind: int, data: bytes) -> None:
        self._writer.write((len(data) + 4).to_bytes(4, "big") + kind.to_bytes(4, "big") + data)

    def close(self) -> None:
        self._writer.close()
        if self._channel is not None and self in self._channel.consumers:
            self._channel.consumers.remove(self)
            for id_ in list(self.in_flight):
                self._timed_out(id_)

    def _timed_out(self, id_: bytes) -> None:
        stored = self._taken(id_.decode())
        if stored is not None:
            self.put_back(stored)

    def _taken(self, id_: str) -> Stored | None:
        stored, timer = self.in_flight.pop(id_.encode(), (None, None))
        if timer is not None:
            timer.cancel()
        return stored

    async def _size(self) -> int:
        return int.from_bytes(await self._reader.readexactly(4), "big")

    async def _sized(self) -> bytes:
        return await self._reader.readexactly(await self._size())


def hand_out(channel: Channel) -> None:
    """Gives what waits to consumers that are ready for more."""
    for consumer in channel.consumers:
        while channel.waiting and len(consumer.in_flight) < consumer.ready:
            consumer.deliver(channel.waiting.popleft())
