"""A service in parts that are stopped and started while somebody looks: the API on its port, and Valkey."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from qs.infra.embedded import discard
from qs.infra.embedded.binaries import find_redis
from tests.support.processes import clean_environment, wait_until


class Parts:
    """The database and the workers go on; a run waits for ever, since no worker takes any."""

    def __init__(self, home: Path, username: str, password: str) -> None:
        self._home = home
        self._socket = home / "valkey.sock"
        self._port = "0"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = clean_environment(
            QS_HOME=str(home / "qs"),
            QS_ENV="test",
            QS_PORT="0",
            QS_ADMIN_USERNAME=username,
            QS_ADMIN_PASSWORD=password,
            QS_LOG_LEVEL="warning",
            QS_REDIS_URL=f"unix://{self._socket}",
            QS_WORKER__ROLES="cron,relay,notifications,statistics,ticker",
        )

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def begin(self) -> None:
        """Everything, with a schema and an administrator."""
        self.start_valkey()
        self._run("up", "up", "--ephemeral")
        self.start_api()

    def start_valkey(self) -> None:
        """Empty, as after a loss."""
        arguments = [
            *("--port", "0", "--unixsocket", str(self._socket), "--dir", str(self._home)),
            *("--save", "", "--appendonly", "no"),
        ]
        self._open("valkey", [str(find_redis()), *arguments])
        with redis.Redis(unix_socket_path=str(self._socket)) as client:
            wait_until(lambda: _answers(client), "Valkey answers")

    def start_api(self) -> None:
        """On the port that it had before."""
        self._port = self._run("api", "api", "--port", self._port)

    def stop(self, name: str, *, kindly: bool = True) -> None:
        """``api`` or ``valkey``; not ``kindly`` is with SIGKILL."""
        process = self._processes.pop(name)
        if kindly:
            process.terminate()
        else:
            process.kill()
        process.wait(60)

    def end(self) -> None:
        for name in ("api", "up", "valkey"):
            if name in self._processes:
                self.stop(name)

    def _run(self, name: str, *arguments: str) -> str:
        """The port that it answers on."""
        port_file = self._home / f"{name}.port"
        port_file.unlink(missing_ok=True)
        process = self._open(name, [sys.executable, "-m", "qs", *arguments, "--port-file", str(port_file)])
        deadline = time.monotonic() + 120
        while not port_file.exists():
            assert process.poll() is None, self._log(name).read_text()
            assert time.monotonic() < deadline, self._log(name).read_text()
            time.sleep(0.05)
        return port_file.read_text().strip()

    def _open(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with self._log(name).open("ab") as output:
            process = subprocess.Popen(
                command, env=self._environment, cwd=self._home, stdout=output, stderr=output
            )
        self._processes[name] = process
        return process

    def _log(self, name: str) -> Path:
        return self._home / f"{name}.log"


@contextmanager
def parts_of_a_service(username: str, password: str) -> Iterator[Parts]:
    """Gone without a trace when the block is left, however that is."""
    with ExitStack() as stack:
        # Short, because the address of a socket is bounded.
        home = Path(tempfile.mkdtemp(prefix="qs-parts-"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        stack.callback(discard, home / "qs")
        parts = Parts(home, username, password)
        stack.callback(parts.end)
        parts.begin()
        yield parts


def _answers(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
