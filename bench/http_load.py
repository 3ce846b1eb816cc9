"""A client that keeps connections open and costs little beside the server it asks."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import cast

import msgspec

_END_OF_HEADERS = b"\r\n\r\n"
_LENGTH = b"content-length: "
_DONE = (b"HTTP/1.1 200", b"HTTP/1.1 201")
_WITHIN_S = 600.0


class UnexpectedAnswer(RuntimeError):
    """The server answered something else than that it was done."""


async def ask(port: int, requests: Sequence[bytes], connections: int) -> list[bytes]:
    """Sends every request, a new one on each connection as soon as the last was answered; gives the bodies.

    Raises:
        UnexpectedAnswer, TimeoutError
    """
    return await ask_each([port], requests, connections)


async def ask_each(ports: Sequence[int], requests: Sequence[bytes], connections: int) -> list[bytes]:
    """The same over so many connections to each of several servers; who is faster is asked more.

    Raises:
        UnexpectedAnswer, TimeoutError
    """
    loop = asyncio.get_running_loop()
    waiting = iter(requests)
    bodies: list[bytes] = []
    asking = [_Connection(waiting, bodies) for _ in range(connections * len(ports))]
    for number, each in enumerate(asking):
        port = ports[number % len(ports)]
        await loop.create_connection(lambda each=each: each, "127.0.0.1", port)  # type: ignore[misc]
    try:
        async with asyncio.timeout(_WITHIN_S):
            await asyncio.gather(*(each.done for each in asking))
    finally:
        for each in asking:
            each.close()
    return bodies


def get(path: str, token: str | None = None) -> bytes:
    """A request, ready to be sent."""
    authorization = f"authorization: Bearer {token}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nhost: bench\r\naccept: */*\r\n{authorization}\r\n".encode()


def post(path: str, token: str, body: object = None) -> bytes:
    """The same with a JSON body, or an empty one."""
    content = b"" if body is None else msgspec.json.encode(body)
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n"
    return (
        f"{head}content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content
    )


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], bodies: list[bytes]) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._bodies = bodies
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports write like asyncio's and do not inherit from them.
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(_END_OF_HEADERS)
        if not found or len(body) < _length(head):
            return
        if not head.startswith(_DONE):
            self._fail(UnexpectedAnswer(self._received.decode(errors="replace")))
            return
        self._bodies.append(body)
        self._received = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or ConnectionResetError("the server closed the connection"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is not None:
            assert self._transport is not None
            self._transport.write(request)
        elif not self.done.done():
            self.done.set_result(None)

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


def _length(head: bytes) -> int:
    start = head.lower().index(_LENGTH) + len(_LENGTH)
    return int(head[start:].partition(b"\r\n")[0])
