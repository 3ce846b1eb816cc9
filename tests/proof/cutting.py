"""A proxy in front of PostgreSQL that cuts a client's connection at COMMIT, on this or that side of it.

Clients connect to ``proxy.address(dsn)``. ``cutting_process.py`` runs one in a process of its own.
"""

import asyncio
import random
import shutil
import socket
import struct
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit, urlunsplit

from tests.proof.wire import ClientStream, Part, answer_in


class Cut(StrEnum):
    """Where the connection is cut."""

    BEFORE = "before"
    """The server never gets the COMMIT: nothing is kept."""
    AFTER = "after"
    """The server has answered the COMMIT and the client never hears of it: everything is kept."""
    AT_ONCE = "at_once"
    """The client is cut and the server gets the COMMIT a moment later, when the client may have come again."""


Choose = Callable[[int], Cut | None]
"""Says where the next COMMIT of a client is cut, if at all; told is the client's process id, 0 if it is not known."""


def never(client: int) -> Cut | None:
    """Cuts nothing."""
    return None


def at_random(seed: int, share: float, most: int) -> Choose:
    """Cuts that share of the COMMITs, each anywhere, until ``most`` of each client are cut; the seed decides."""
    rng = random.Random(seed)
    made: Counter[int] = Counter()

    def choose(client: int) -> Cut | None:
        if made[client] >= most or rng.random() >= share:
            return None
        made[client] += 1
        return rng.choice(list(Cut))

    return choose


def in_turn(cuts: Iterable[Cut | None]) -> Choose:
    """Does with the next COMMITs as listed, and nothing to those after them."""
    waiting = iter(cuts)
    return lambda client: next(waiting, None)


def at_some_moment(seed: int) -> Callable[[], float]:
    """None or up to 30 ms, as the seed decides."""
    rng = random.Random(seed)
    return lambda: rng.choice((0.0, rng.uniform(0.0, 0.03)))


@dataclass(slots=True)
class Made:
    """The COMMIT of that number, counted from 1, was cut.

    ``answer`` is what the server said to it, None when it did not get it or did not answer.
    """

    number: int
    client: int
    cut: Cut
    answer: str | None = None


class CuttingProxy:
    """Passes everything on as it is and cuts at the COMMITs that ``choose`` names, which may be set at any time.

    Over its unix socket a cut is an end of file to the client; with ``resets`` it listens on TCP and a cut is a reset.
    """

    def __init__(self, upstream: str, choose: Choose = never, *, seed: int = 0, resets: bool = False) -> None:
        self.choose = choose
        self.commits = 0
        self.cuts: list[Made] = []
        self.links: set[Link] = set()
        self.moment = at_some_moment(seed)
        """How many seconds late a COMMIT arrives whose client is cut at once."""
        self._upstream = _socket_of(upstream)
        self._resets = resets
        self._host, self._port = "", 5432

    async def __aenter__(self) -> Self:
        # The path is short because a socket's address is bounded.
        self._folder = Path(tempfile.mkdtemp(prefix="qs-cut-"))
        loop = asyncio.get_running_loop()
        if self._resets:
            self._server = await loop.create_server(lambda: Link(self), "127.0.0.1", 0)
            self._host, self._port = self._server.sockets[0].getsockname()
        else:
            self._host = str(self._folder)
            path = f"{self._folder}/.s.PGSQL.{self._port}"
            self._server = await loop.create_unix_server(lambda: Link(self), path)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        while self.links:
            for link in list(self.links):
                link.sever()
            await asyncio.sleep(0)
        shutil.rmtree(self._folder, ignore_errors=True)

    def address(self, dsn: str) -> str:
        """The same database by way of this proxy."""
        return urlunsplit(urlsplit(dsn)._replace(query=f"host={self._host}&port={self._port}"))

    def next_cut(self, client: int) -> Made | None:
        """Counts a COMMIT; how it is to be cut."""
        self.commits += 1
        cut = self.choose(client)
        if cut is None:
            return None
        self.cuts.append(Made(self.commits, client, cut))
        return self.cuts[-1]

    async def connect(self, link: "Link") -> None:
        """Connects the link to the server."""
        loop = asyncio.get_running_loop()
        if isinstance(self._upstream, str):
            await loop.create_unix_connection(lambda: link.server, self._upstream)
        else:
            await loop.create_connection(lambda: link.server, *self._upstream)


_CREDENTIALS = struct.Struct("3i")


def _socket_of(dsn: str) -> str | tuple[str, int]:
    """Where the server listens: a path, or host and port."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    host = query.get("host", [parts.hostname or "127.0.0.1"])[-1]
    port = int(query.get("port", [parts.port or 5432])[-1])
    return f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)


def _process_behind(client: socket.socket) -> int:
    if client.family != socket.AF_UNIX:
        return 0
    credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[0])


class _End(asyncio.Protocol):
    """One end of a link; what the other end cannot take yet is not read from this one."""

    transport: Any = None
    other: "_End"

    def pause_writing(self) -> None:
        if self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other.transport is not None:
            self.other.transport.resume_reading()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class _Server(_End):
    """The proxy's connection to PostgreSQL."""

    def __init__(self, link: "Link") -> None:
        self.other = self._link = link
        # What came after a COMMIT whose answer the client is not to get.
        self.withheld: bytearray | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._link.connected()

    def data_received(self, data: bytes) -> None:
        if self.withheld is None:
            self._link.transport.write(data)
            return
        self.withheld += data
        answer = answer_in(bytes(self.withheld))
        if answer is not None:
            self._link.answered(answer)

    def connection_lost(self, error: Exception | None) -> None:
        # Whatever it said last, such as why it ended, is still delivered.
        self._link.transport.close()
        self._link.ended()


class Link(_End):
    """A client's connection and the one to PostgreSQL that belongs to it."""

    def __init__(self, proxy: CuttingProxy) -> None:
        self._proxy = proxy
        self._stream = ClientStream()
        self._early = b""
        self._made: Made | None = None
        self.server = self.other = _Server(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._client = _process_behind(transport.get_extra_info("socket"))
        self._proxy.links.add(self)
        self._connecting = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        try:
            await self._proxy.connect(self)
        except OSError:
            self.transport.abort()
            self.ended()

    def connected(self) -> None:
        """The server can be written to."""
        early, self._early = self._early, b""
        if early:
            self.data_received(early)
        if self.transport.is_closing():
            self.server.transport.close()

    def data_received(self, data: bytes) -> None:
        if self.server.transport is None:
            self._early += data
            return
        for part, piece in self._stream.feed(data):
            if part is Part.ENCRYPTION:
                self.transport.write(b"N")
            elif self._made is None and part is Part.COMMIT and (made := self._proxy.next_cut(self._client)):
                self._made = made
                self._cut(made, piece)
            elif self._made is None or self._made.cut is Cut.AFTER:
                self.server.transport.write(piece)

    def _cut(self, made: Made, commit: bytes) -> None:
        if made.cut is Cut.BEFORE:
            self.sever()
            return
        self.server.withheld = bytearray()
        if made.cut is Cut.AFTER:
            self.server.transport.write(commit)
        else:
            self._reset()
            moment = self._proxy.moment()
            asyncio.get_running_loop().call_later(moment, self.server.transport.write, commit)

    def answered(self, answer: str) -> None:
        """The server has answered the COMMIT that is cut."""
        assert self._made is not None
        self._made.answer = answer
        self.sever()

    def sever(self) -> None:
        """Ends both connections at once."""
        self._reset()
        self.server.abort()

    def _reset(self) -> None:
        if self.transport.is_closing():
            return
        client = self.transport.get_extra_info("socket")
        if client.family != socket.AF_UNIX:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if self._made is None and self.server.transport is not None:
            self.server.transport.close()

    def ended(self) -> None:
        """Nothing is left of it."""
        self._proxy.links.discard(self)
