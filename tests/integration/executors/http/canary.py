"""A port that must not be reached, and all that was tried to reach anything."""

import asyncio
import ipaddress
import socket
from typing import Any

import httpcore

from tests.conformance.rigs.rig import Target


class Canary:
    """Listens on every address of this machine, IPv4 and IPv6, and counts who comes."""

    def __init__(self) -> None:
        self.visits = 0
        self.port = 0
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        first = await asyncio.start_server(self._visited, "0.0.0.0", 0)
        self.port = first.sockets[0].getsockname()[1]
        self._servers = [first]
        if socket.has_ipv6:
            self._servers.append(await asyncio.start_server(self._visited, "::", self.port))

    async def close(self) -> None:
        for server in self._servers:
            server.close()

    async def _visited(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        # What is unread when the connection closes would reset it.
        await reader.read(65536)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()


class Dialled:
    """Remembers every address a connection was opened to; those outside this machine are not really dialled."""

    def __init__(self, monkeypatch: Any) -> None:
        self.addresses: list[str] = []
        connect = httpcore.AnyIOBackend.connect_tcp

        async def connect_tcp(backend: Any, host: str, port: int, *rest: Any, **options: Any) -> Any:
            self.addresses.append(host)
            address = ipaddress.ip_address(host)
            mapped = getattr(address, "ipv4_mapped", None) or address
            if not (mapped.is_loopback or mapped.is_unspecified):
                raise httpcore.ConnectError("not dialled")
            return await connect(backend, host, port, *rest, **options)

        monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect_tcp)


class Names:
    """A resolver: the names it was given, numbers in any spelling, and nothing else."""

    def __init__(self, monkeypatch: Any) -> None:
        self.answers: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self._getaddrinfo)

    def know(self, name: str, *answers: list[str]) -> None:
        """Of several answers each is given once, the last one from then on."""
        self.answers[name] = list(answers)

    async def _getaddrinfo(self, host: str, port: int, **options: Any) -> list[Any]:
        self.asked.append(host)
        known = self.answers.get(host.lower().rstrip("."))
        if known is None:
            return socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST, **options)
        answer = known.pop(0) if len(known) > 1 else known[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answer]


def a_request(url: str, **fields: Any) -> Target:
    return {"url": url, **fields}
