"""A load balancer in the test's own process, as small as one can be that takes part in an upgrade.

It asks every server several times a second whether it is ready, sends a request to one that is, and sends it to another
one only where nothing of it was sent: where the connection was refused.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

_LOOK_EVERY_S = 0.05
_PROBE_S = 2.0
_NOBODY_S = 5.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CONNECTION = re.compile(rb"\r\nconnection:[^\r]*", re.IGNORECASE)
_PROBE = b"GET /health/ready HTTP/1.1\r\nHost: balancer\r\nConnection: close\r\n\r\n"
_UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Balancer:
    """Passes each request to the next ready one of the servers at ``ports`` of this machine."""

    def __init__(self, ports: Iterable[int]) -> None:
        self.ready = dict.fromkeys(ports, False)
        self.refused = 0
        """How often a request went to another server because the first took no connection any more."""
        self.unserved = 0
        """How many requests found no server that was ready, within some seconds."""
        self.cut = 0
        """How many answers broke off, or never began."""
        self.longest_s = 0.0
        """The longest that a request was under way."""
        self.url = ""
        self._turn = 0
        self._talks: set[asyncio.Task[None]] = set()

    async def is_ready(self, port: int, within_s: float = 60.0) -> None:
        """Returns once that server is sent work."""
        deadline = time.monotonic() + within_s
        while not self.ready[port]:
            assert time.monotonic() < deadline, f"the server at {port} is not ready within {within_s:g} s"
            await asyncio.sleep(_LOOK_EVERY_S / 5)

    async def watch(self) -> None:
        """Asks for ever; one that does not answer is not ready."""
        while True:
            for port, answers in zip(self.ready, await asyncio.gather(*map(_probe, self.ready)), strict=True):
                self.ready[port] = answers
            await asyncio.sleep(_LOOK_EVERY_S)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request and its answer; the connection is closed after it."""
        talk = asyncio.current_task()
        assert talk is not None
        # The streams of Python 3.11 do not hold on to it.
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1])) if length else b""
            request = _CONNECTION.sub(b"", head[:-4]) + b"\r\nConnection: close\r\n\r\n" + body
            began = time.monotonic()
            await self._pass_on(request, writer)
            self.longest_s = max(self.longest_s, time.monotonic() - began)
        except (asyncio.IncompleteReadError, ConnectionError):
            # The client has gone, which is its own affair.
            return
        finally:
            writer.close()

    async def _pass_on(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        server = await self._connect()
        if server is None:
            self.unserved += 1
            writer.write(_UNAVAILABLE)
            await writer.drain()
            return
        answers, asks = server
        try:
            asks.write(request)
            await asks.drain()
            answered = 0
            while part := await answers.read(65536):
                answered += len(part)
                writer.write(part)
                await writer.drain()
            self.cut += answered == 0
        except ConnectionError:
            self.cut += 1
        finally:
            asks.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        deadline = time.monotonic() + _NOBODY_S
        while time.monotonic() < deadline:
            ready = [port for port, answers in self.ready.items() if answers]
            if not ready:
                await asyncio.sleep(_LOOK_EVERY_S / 5)
                continue
            self._turn += 1
            port = ready[self._turn % len(ready)]
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                self.refused += 1
                self.ready[port] = False
        return None


@asynccontextmanager
async def balancing(ports: Iterable[int]) -> AsyncIterator[Balancer]:
    """The balancer works as long as the block lasts."""
    balancer = Balancer(ports)
    server = await asyncio.start_server(balancer.talk, "127.0.0.1", 0, backlog=1024)
    balancer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    watching = asyncio.create_task(balancer.watch(), name="balancer")
    try:
        yield balancer
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        server.close()


async def _probe(port: int) -> bool:
    try:
        async with asyncio.timeout(_PROBE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(_PROBE)
                return (await reader.readline()).startswith(b"HTTP/1.1 200")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
