"""The program `qs` in a process of its own, forked from one that has imported it.

Starting Python and importing qs takes a second; most tests of verbs are about neither. Everything else is as it is
with ``python -m qs``: environment, directory, standard streams, signals and exit code are the process's own.
"""

import atexit
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn

from tests.support.processes import clean_environment

_ROOT = Path(__file__).parents[2]
_LENGTH = struct.Struct("!I")
_GIVEN_DESCRIPTORS = 4
_INT = struct.calcsize("i")


def called(
    settings: Mapping[str, str],
    *arguments: object,
    stdin: str = "",
    cwd: Path | None = None,
    within: float = 100,
) -> subprocess.CompletedProcess[str]:
    """What ``qs`` with these arguments did; of qs it finds only these settings in its environment.

    Raises:
        subprocess.TimeoutExpired: it had not ended ``within`` so many seconds.
    """
    words = [str(each) for each in arguments]
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        reading, writing = os.pipe()
        with open(reading, "rb", buffering=0) as ended:
            order = {
                "arguments": words,
                "environment": dict(clean_environment(**settings)),
                "cwd": str(cwd or _ROOT),
            }
            try:
                _origin().order(order, given, out, err, writing)
            finally:
                os.close(writing)
            code = _code(ended, words, within)
        return subprocess.CompletedProcess(["qs", *words], code, _text(out), _text(err))


def _code(ended: IO[bytes], words: list[str], within: float) -> int:
    said = b""
    while len(said) < _INT:
        if not select.select([ended], [], [], within)[0]:
            raise subprocess.TimeoutExpired(["qs", *words], within)
        part = ended.read(_INT - len(said))
        assert part, "the process that forks was killed"
        said += part
    return int(struct.unpack("i", said)[0])


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


@dataclass(frozen=True)
class _Origin:
    """The process that has imported qs; there is one for each process that runs tests, and it ends with that one."""

    process: "subprocess.Popen[bytes]"
    orders: socket.socket
    turns: threading.Lock

    def end(self) -> None:
        self.orders.close()
        self.process.wait()

    def order(self, order: Mapping[str, Any], *descriptors: Any) -> None:
        data = json.dumps(order).encode()
        numbers = [each if isinstance(each, int) else each.fileno() for each in descriptors]
        with self.turns:
            socket.send_fds(self.orders, [_LENGTH.pack(len(data))], numbers)
            self.orders.sendall(data)


@cache
def _origin() -> _Origin:
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        cwd=_ROOT,
        env=clean_environment(),
    )
    theirs.close()
    origin = _Origin(process, ours, threading.Lock())
    atexit.register(origin.end)
    return origin


def _serve(orders: socket.socket) -> None:
    """Forks a process for each order, until nobody can give one any more. It has no thread and no event loop, ever."""
    _import_everything()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        length, descriptors, _, _ = socket.recv_fds(orders, _LENGTH.size, _GIVEN_DESCRIPTORS)
        if not length:
            return
        order = json.loads(_exactly(orders, _LENGTH.unpack(length)[0]))
        if os.fork() == 0:
            orders.close()
            _watch(order, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _import_everything() -> None:
    import gc
    from importlib import import_module

    from qs.interface.cli.main import VERBS

    import_module("qs.container")
    for verb in VERBS:
        import_module(f"qs.interface.cli.{verb.replace('-', '_')}")
    gc.collect()
    gc.freeze()


def _watch(order: Mapping[str, Any], given: int, out: int, err: int, ended: int) -> NoReturn:
    """Waits for the process that does it, and tells how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(ended)
        _live(order, given, out, err)
    _, status = os.waitpid(pid, 0)
    os.write(ended, struct.pack("i", os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _live(order: Mapping[str, Any], *streams: int) -> NoReturn:
    code = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["cwd"])
        sys.argv[:] = ["qs", *order["arguments"]]
        from qs.interface.cli.main import run

        run()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - what Python itself does with it
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _exactly(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        part = connection.recv(length - len(data))
        if not part:
            raise EOFError
        data += part
    return data


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
