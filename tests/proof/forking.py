"""`python -m tests.proof.forking SOCKET`: makes processes of qs in a few milliseconds, by fork.

1. The server imports everything once. It has no event loop and no thread, ever.
2. Each connection gets a process of its own, the stem, which prepares what the processes of one world share.
3. On order the stem forks a role, which has a session and an event loop of its own.
4. A role dies with its stem, a stem with its connection or the server, the server with whoever started it.
"""

import contextlib
import ctypes
import gc
import os
import pickle
import selectors
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from qs.settings import Settings
from tests.proof.traps import Trap
from tests.support.releases import of_another_release

__all__ = ["Hello", "News", "Order", "Trap", "receive", "send"]

_PR_SET_PDEATHSIG = 1
_LENGTH = struct.Struct("!I")
_prctl = ctypes.CDLL(None).prctl


@dataclass(frozen=True)
class Hello:
    """What the processes of one connection share; the API's listening socket comes with it."""

    settings: Settings
    log: Path
    bug: str | None
    scaled: bool
    duties_every: timedelta


@dataclass(frozen=True)
class Order:
    """A process of this role under a number of the caller's, or a signal to the process of that number.

    Its own clock is wrong by ``shift``; the servers' clocks are right.
    """

    number: int
    role: str | None = None
    trap: Trap | None = None
    shift: timedelta = timedelta(0)
    signal: int | None = None
    port: int | None = None
    """Where an API listens by itself, instead of at what all of its world share."""
    head: str | None = None
    """The newest revision of the schema that it knows, if that is not this release's."""


@dataclass(frozen=True)
class News:
    """``started PID``, ``ready``, ``passed POINT``, ``sprung POINT``, ``ended CODE``; of number 0, the stem's own."""

    number: int
    text: str


def send(connection: socket.socket, message: object) -> None:
    data = pickle.dumps(message)
    connection.sendall(_LENGTH.pack(len(data)) + data)


def receive(connection: socket.socket) -> Any:
    """The next message; raises EOFError when there is none any more."""
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    return pickle.loads(_exactly(connection, length))


def _exactly(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        part = connection.recv(length - len(data))
        if not part:
            raise EOFError
        data += part
    return data


@dataclass
class _Role:
    number: int
    pid: int
    pidfd: int
    reports: int
    unread: bytes = b""


@dataclass
class _Stem:
    """Forks the roles of one connection and tells what becomes of them."""

    connection: socket.socket
    hello: Hello
    listener: socket.socket
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    roles: dict[int, _Role] = field(default_factory=dict)

    def serve(self) -> None:
        from tests.proof import roles

        roles.prepare(self.hello)
        # What is shared with the roles is copied page by page when its counts are touched.
        gc.collect()
        gc.freeze()
        self.selector.register(self.connection, selectors.EVENT_READ, self._obey)
        self._tell(0, "ready")
        while True:
            for key, _ in self.selector.select():
                key.data()

    def _obey(self) -> None:
        order: Order = receive(self.connection)
        if order.role is not None:
            self._start(order.number, order.role, order)
        elif order.signal is not None and order.number in self.roles:
            os.kill(self.roles[order.number].pid, order.signal)

    def _start(self, number: int, role: str, order: Order) -> None:
        reading, writing = os.pipe()
        stem = os.getpid()
        pid = os.fork()
        if pid == 0:
            _run_to_exit(lambda: self._live(stem, role, order, reading, writing))
        os.close(writing)
        os.set_blocking(reading, False)
        started = _Role(number, pid, os.pidfd_open(pid), reading)
        self.roles[number] = started
        self.selector.register(started.reports, selectors.EVENT_READ, lambda: self._hear(started))
        self.selector.register(started.pidfd, selectors.EVENT_READ, lambda: self._bury(started))
        self._tell(number, f"started {pid}")

    def _live(self, stem: int, role: str, order: Order, reading: int, writing: int) -> int:
        from tests.proof import roles

        os.setsid()
        _die_with(stem)
        os.close(reading)
        self.selector.close()
        self.connection.close()
        for other in self.roles.values():
            os.close(other.reports)
            os.close(other.pidfd)
        report = lambda text: _ignore(os.write(writing, f"{text}\n".encode()))  # noqa: E731
        listener = self.listener
        if order.port is not None:
            listener.close()
            listener = socket.create_server(("127.0.0.1", order.port), backlog=2048)
        release = contextlib.nullcontext() if order.head is None else of_another_release(head=order.head)
        with roles.clock_wrong_by(order.shift), release:
            return roles.live(role, self.hello, listener, order.trap, report)

    def _hear(self, role: _Role) -> bool:
        """Whether there may be more to hear."""
        try:
            data = os.read(role.reports, 65536)
        except BlockingIOError:
            return False
        if not data and role.number in self.roles:
            with contextlib.suppress(KeyError):
                self.selector.unregister(role.reports)
            return False
        *lines, role.unread = (role.unread + data).split(b"\n")
        for line in lines:
            self._tell(role.number, line.decode())
        return True

    def _bury(self, role: _Role) -> None:
        while self._hear(role):
            pass
        _, status = os.waitpid(role.pid, 0)
        for descriptor in (role.reports, role.pidfd):
            with contextlib.suppress(KeyError):
                self.selector.unregister(descriptor)
            os.close(descriptor)
        del self.roles[role.number]
        self._tell(role.number, f"ended {os.waitstatus_to_exitcode(status)}")

    def _tell(self, number: int, text: str) -> None:
        send(self.connection, News(number, text))


def _ignore(_: object) -> None:
    pass


def _stem(server: int, connection: socket.socket) -> int:
    _die_with(server)
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
    hello: Hello = receive(connection)
    log = os.open(hello.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    stem = _Stem(connection, hello, socket.socket(fileno=descriptors[0]))
    try:
        stem.serve()
    except (EOFError, ConnectionError, BrokenPipeError):
        return 0
    finally:
        for role in stem.roles.values():
            os.kill(role.pid, signal.SIGKILL)
    return 0


def serve(path: str, owner: int) -> None:
    """Serves connections until the standard input ends."""
    _die_with(owner)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    server = os.getpid()
    gc.collect()
    gc.freeze()
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fd == 0:
                return
            if key.data is not None:
                selector.unregister(key.fd)
                os.close(key.fd)
                os.waitpid(key.data, 0)
                continue
            connection, _ = listener.accept()
            pid = os.fork()
            if pid == 0:
                selector.close()
                listener.close()
                _run_to_exit(lambda connection=connection: _stem(server, connection))  # type: ignore[misc]
            connection.close()
            selector.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)


def _run_to_exit(work: Callable[[], int]) -> None:
    code = 1
    try:
        code = work()
    except BaseException:  # noqa: BLE001 - a copy must not go on as its original
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _die_with(parent: int) -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # It may have died between the fork and the line above, when nobody was told yet.
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    # As a module of its own name, so that what is pickled here is known by the same name everywhere.
    from tests.proof import forking, roles

    roles.load()
    forking.serve(sys.argv[1], int(sys.argv[2]))
