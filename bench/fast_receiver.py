"""`python -m bench.fast_receiver FD [hang]`: accepts every POST on the listening socket it was given, as fast as asyncio can.

With ``hang`` it takes connections and never says anything.
"""

import asyncio
import socket
import sys
from typing import cast

import uvloop

_ACCEPTED = b"HTTP/1.1 204 No Content\r\n\r\n"
_LENGTH = b"content-length: "


class _Acceptor(asyncio.Protocol):
    """Counts bodies by their lengths; connections are kept."""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            start = head.find(_LENGTH)
            length = 0 if start < 0 else int(head[start + len(_LENGTH) :].split(b"\r\n", 1)[0])
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            self._transport.write(_ACCEPTED)


async def _serve(listener: socket.socket, protocol: type[asyncio.Protocol]) -> None:
    server = await asyncio.get_running_loop().create_server(protocol, sock=listener)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    kind = asyncio.Protocol if "hang" in sys.argv[2:] else _Acceptor
    uvloop.run(_serve(socket.socket(fileno=int(sys.argv[1])), kind))
