"""The tests' side of the fork server: a connection to it, and the processes made there."""

import asyncio
import contextlib
import itertools
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.proof.forking import Hello, News, Order, send
from tests.proof.traps import Trap

_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_S = 60.0
_LENGTH = struct.Struct("!I")


class ForkServer:
    """The process that all others are forked from, in the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Begins its start, which takes a second or two."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("QS_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.proof.forking", str(self._path), str(os.getpid())],
            cwd=_ROOT,
            env=inherited,
            stdin=subprocess.PIPE,
            # Ctrl-C is for whoever started it.
            start_new_session=True,
        )

    async def connect(self) -> socket.socket:
        """A connection; waits for the server to be there."""
        assert self._process is not None, "the fork server was not started"
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self._path))
            except OSError:
                connection.close()
                assert self._process.poll() is None, "the fork server ended while it started"
                assert time.monotonic() < deadline, (
                    f"the fork server does not answer within {_PATIENCE_S:g} s"
                )
                await asyncio.sleep(0.01)
            else:
                return connection

    def close(self) -> None:
        """Ends it, and with it everything that was forked from it."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


class Child:
    """One process in a role."""

    def __init__(self, family: "Family", number: int, role: str, trap: Trap | None) -> None:
        self.role = role
        self.trap = trap
        self.pid = 0
        self.exit_code: int | None = None
        """Once it has ended; negative for a signal."""
        self.sprung_at: str | None = None
        """The point at which its trap was sprung, the latest if at several."""
        self.sprung_points: set[str] = set()
        self._family = family
        self._number = number
        self._started = asyncio.Event()
        self._ready = asyncio.Event()
        self._working = asyncio.Event()
        self._sprung = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def alive(self) -> bool:
        return self.exit_code is None

    async def started(self) -> None:
        await self._either(self._started)

    async def ready(self) -> None:
        """Returns once it works, or has ended."""
        await self._either(self._ready)

    async def working(self, within: float = _PATIENCE_S) -> None:
        """Returns once it has passed a point, or has ended, or after that many seconds; known of watched ones alone."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._either(self._working), within)

    async def sprung(self, within: float) -> bool:
        """Whether its trap is sprung within that many seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._either(self._sprung), within)
        return self._sprung.is_set()

    async def wait(self, within: float = _PATIENCE_S) -> int:
        """Its exit code once it has ended."""
        await asyncio.wait_for(self._ended.wait(), within)
        assert self.exit_code is not None
        return self.exit_code

    def signal(self, number: int) -> None:
        self._family.order(Order(self._number, signal=number))

    async def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self.signal(signal.SIGKILL)
        await self.wait()

    async def stop(self) -> int:
        """SIGTERM; its exit code when it has ended."""
        self.signal(signal.SIGTERM)
        return await self.wait()

    def hear(self, text: str) -> None:
        word, _, rest = text.partition(" ")
        if word == "started":
            self.pid = int(rest)
            self._started.set()
        elif word == "ready":
            self._ready.set()
        elif word == "passed":
            self._working.set()
            self._family.passed.setdefault(self.role, set()).add(rest)
        elif word == "sprung":
            self.sprung_at = rest
            self.sprung_points.add(rest)
            self._sprung.set()
        elif word == "ended":
            self.exit_code = int(rest)
            self._family.killed[self.role] += self.exit_code == -signal.SIGKILL
            if self.exit_code not in (0, -signal.SIGKILL, -signal.SIGTERM):
                self._family.broken.append(f"{self.role} (process {self.pid}) ended with {self.exit_code}")
            self._ended.set()

    async def _either(self, event: asyncio.Event) -> None:
        waiting = {asyncio.ensure_future(each.wait()) for each in (event, self._ended)}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()


class Family:
    """The processes of one world: they share settings and die when the connection is closed."""

    def __init__(self) -> None:
        self.passed: dict[str, set[str]] = {}
        """Which points each role was seen to pass, as far as its processes were watched."""
        self.killed: Counter[str] = Counter()
        """How many processes of each role ended by SIGKILL, a trap's or anybody's."""
        self.broken: list[str] = []
        """Which ended in a way that nobody asked for."""
        self._children: dict[int, Child] = {}
        self._numbers = itertools.count(1)
        self._ready: asyncio.Future[None]
        self._writer: asyncio.StreamWriter | None = None

    async def open(self, server: ForkServer, hello: Hello, listener: socket.socket) -> None:
        """Everything that the roles share is prepared. ``listener`` is where the API answers."""
        connection = await server.connect()
        self._ready = asyncio.get_running_loop().create_future()
        socket.send_fds(connection, [b"L"], [listener.fileno()])
        send(connection, hello)
        self._log = hello.log
        self._reader, self._writer = await asyncio.open_connection(sock=connection)
        self._listening = asyncio.create_task(self._listen(), name="family")
        await asyncio.wait_for(self._ready, _PATIENCE_S)

    async def start(
        self, role: str, trap: Trap | None = None, shift: timedelta = timedelta(0), **terms: Any
    ) -> Child:
        """A process that was just forked; ``terms`` are further ones of an order."""
        child = Child(self, next(self._numbers), role, trap)
        self._children[child._number] = child
        self.order(Order(child._number, role=role, trap=trap, shift=shift, **terms))
        await child.started()
        return child

    def order(self, order: Order) -> None:
        assert self._writer is not None, "nothing was opened yet"
        data = pickle.dumps(order)
        self._writer.write(_LENGTH.pack(len(data)) + data)

    async def close(self) -> None:
        """Every process is killed and gone."""
        if self._writer is None:
            return
        alive = [child for child in self._children.values() if child.alive]
        for child in alive:
            child.signal(signal.SIGKILL)
        for child in alive:
            with contextlib.suppress(TimeoutError):
                await child.wait(10)
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
        await self._listening

    async def _listen(self) -> None:
        try:
            while True:
                (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
                self._hear(pickle.loads(await self._reader.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            if not self._ready.done():
                told = self._log.read_text()[-3000:] if self._log.exists() else ""
                self._ready.set_exception(RuntimeError(f"the processes could not be prepared:\n{told}"))
            for child in self._children.values():
                if child.alive:
                    child.hear(f"ended {-signal.SIGKILL}")

    def _hear(self, news: News) -> None:
        if news.number:
            self._children[news.number].hear(news.text)
            if news.text.startswith("ended"):
                del self._children[news.number]
        elif not self._ready.done():
            self._ready.set_result(None)
