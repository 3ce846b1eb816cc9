"""Valkey, or Redis, as an embedded server."""

import contextlib
import signal
import socket
from pathlib import Path

from qs.infra.embedded.place import Place
from qs.infra.embedded.privileges import ServerUser
from qs.infra.embedded.process import Command, Server

_ANSWER_SECONDS = 1.0


class Redis(Server):
    """A Redis-compatible server on a socket only, which refuses writes when full rather than drop keys."""

    name = "redis"
    stop_signals = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))

    def __init__(
        self, program: Path, place: Place, user: ServerUser, log_file: Path, *, ephemeral: bool
    ) -> None:
        super().__init__(place, user, log_file, ephemeral=ephemeral)
        self._program = program

    @property
    def url(self) -> str:
        """The address of database 0."""
        return f"unix://{self._socket}?db=0"

    def command(self) -> Command:
        """Its data go to the directory it runs in; a path of its own would have to be quoted for it."""
        program = str(self._program)
        network = ["--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"]
        files = ["--dir", "./", "--save", "", "--appendonly", "no" if self.ephemeral else "yes"]
        return [program, *network, *files, "--maxmemory-policy", "noeviction"]

    def directory(self) -> Path:
        """The directory of the append-only file."""
        return self.place.redis

    def forget_past(self) -> None:
        """Remove the socket of an earlier process."""
        self._socket.unlink(missing_ok=True)

    def answers(self, pid: int) -> bool:
        """Whether it answers a PING, which it does not while it loads its data."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            connection.connect(str(self._socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        return False

    @property
    def _socket(self) -> Path:
        return self.place.sockets / "redis.sock"
