"""A proxy in the test's own process: each connection goes to the next of several servers on this machine, in turn."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

_CHUNK = 65536


class RoundRobinProxy:
    """Passes bytes through as they come; ``given`` are the ports that connections went to so far, in order."""

    def __init__(self, *ports: int) -> None:
        self.given: list[int] = []
        self._ports = list(ports)
        self._turn = 0
        self._talks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0, backlog=1024)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        try:
            await self._pass_on(reader, writer)
        except asyncio.CancelledError:
            # The streams of Python 3.11 print the stack of a callback that was canceled.
            return
        finally:
            self._talks.discard(talk)
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for port in self._in_turn():
            try:
                answers, asks = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                continue
            self.given.append(port)
            try:
                await asyncio.gather(_copy(reader, asks), _copy(answers, writer))
            finally:
                asks.close()
            return

    def _in_turn(self) -> list[int]:
        """All servers, from the one whose turn it is."""
        first = self._turn % len(self._ports)
        self._turn += 1
        return self._ports[first:] + self._ports[:first]


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Until the source ends or either side is gone; then the target hears no more."""
    with suppress(ConnectionError):
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()
    with suppress(OSError, RuntimeError):
        if target.can_write_eof():
            target.write_eof()
