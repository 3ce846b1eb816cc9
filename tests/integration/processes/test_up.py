"""`qs up` brings everything, keeps it running, and takes everything away with it."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from qs.infra.embedded import discard
from qs.settings.sections import WorkerSettings
from tests.support.processes import clean_environment, marked, wait_until

EVERYTHING = {"api", *WorkerSettings().roles}
START_S = 120.0
STOP_S = 60.0

pytestmark = pytest.mark.timeout(400)


class Installation:
    """A home of its own, and what was started in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.mark = f"mark-{uuid.uuid4()}"
        self.out, self.err = home / "out", home / "err"
        self.port_file = home / "port"
        self.process: subprocess.Popen[bytes] | None = None

    def environment(self, **variables: str) -> Mapping[str, str]:
        ours = {"QS_HOME": str(self.home), "QS_EMBEDDED_LINGER": "0.1", "MARK": self.mark}
        return clean_environment(**ours | variables)

    def start(self, *options: str, **variables: str) -> subprocess.Popen[bytes]:
        self.port_file.unlink(missing_ok=True)
        command = (
            sys.executable,
            "-P",
            "-m",
            "qs",
            "up",
            "--ephemeral",
            "--port-file",
            str(self.port_file),
            *options,
        )
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                command, env=self.environment(**variables), stdout=out, stderr=err
            )
        return self.process

    def start_and_wait(self, *options: str, **variables: str) -> str:
        """The address, once it answers."""
        process = self.start("--port", "0", *options, **variables)
        wait_until(lambda: self.port_file.exists() or process.poll() is not None, "the API answers", START_S)
        assert process.poll() is None, self.err.read_text()
        return f"http://127.0.0.1:{self.port_file.read_text().strip()}"

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(STOP_S)

    def programs(self) -> dict[str, psutil.Process]:
        """What runs of qs itself, by the last word of its command line that is no option."""
        found = {}
        for process in marked(self.mark):
            # A child may end between being found and being asked.
            with suppress(psutil.NoSuchProcess):
                words = process.cmdline()
                if "workers" in words:
                    found[words[-1]] = process
                elif words[3:5] == ["qs", "api"]:
                    found["api"] = process
        return found


@pytest.fixture
def installation() -> Iterator[Installation]:
    """A new home; at the end of the test nothing that was started in it runs."""
    # The path is short because a socket's address is bounded.
    with tempfile.TemporaryDirectory(prefix="qs-up-") as directory:
        installation = Installation(Path(directory))
        Path(directory).chmod(0o755)
        try:
            yield installation
            wait_until(lambda: marked(installation.mark) == [], "nothing of it runs any more")
        finally:
            for process in marked(installation.mark):
                process.kill()
            if installation.process is not None:
                installation.process.wait()
            discard(installation.home)


def alive(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health/alive", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def health(address: str) -> str | None:
    """What the API says of itself and the workers; None while it is not ready."""
    answer = httpx.get(f"{address}/health/ready", timeout=30)
    return str(answer.json()["data"]["status"]) if answer.status_code == 200 else None


def log_in(address: str, username: str, password: str) -> httpx.Response:
    credentials = {"username": username, "password": password}
    return httpx.post(f"{address}/api/v1/auth/login", json=credentials, timeout=30)


def test_it_brings_everything_on_an_empty_machine_and_leaves_nothing_running(
    installation: Installation,
) -> None:
    password = "a-Long-enough-pass-7"
    pair = {"QS_ADMIN_USERNAME": "ada", "QS_ADMIN_PASSWORD": password}
    address = installation.start_and_wait(QS_EMBEDDED_LINGER="600", **pair)

    wait_until(
        lambda: set(installation.programs()) == EVERYTHING,
        "API and workers run",
    )
    wait_until(lambda: health(address) == "ok", "all of it is well")
    assert installation.out.read_text() == f"qs answers at {address}; Ctrl-C stops it\n"
    assert log_in(address, "ada", password).status_code == 200

    assert installation.stop() == 0
    assert marked(installation.mark) == []

    key = installation.home / "secret_key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_text().strip() not in installation.err.read_text()
    assert password not in installation.err.read_text()


def test_the_first_administrator_is_shown_once_and_can_log_in(installation: Installation) -> None:
    address = installation.start_and_wait("--json")
    told = json.loads(installation.out.read_text())
    administrator = told["administrator"]

    answer = log_in(address, administrator["username"], administrator["password"])

    assert told["address"] == address
    assert answer.status_code == 200
    assert answer.json()["access_token"]
    assert installation.stop() == 0

    installation.start_and_wait()
    assert administrator["password"] not in installation.out.read_text() + installation.err.read_text()
    assert "administrator" not in installation.out.read_text() + installation.err.read_text()
    assert installation.stop(signal.SIGINT) == 0


def test_what_dies_is_started_again_and_the_address_stays(installation: Installation) -> None:
    address = installation.start_and_wait()
    wait_until(lambda: set(installation.programs()) == EVERYTHING, "API and workers run")
    before = {name: process.pid for name, process in installation.programs().items()}

    for name in before:
        os.kill(before[name], signal.SIGKILL)

    wait_until(
        lambda: (
            set(now := installation.programs()) == set(before)
            and all(now[name].pid != pid for name, pid in before.items())
        ),
        "everything runs again",
    )
    wait_until(lambda: alive(address), "the API answers again")
    assert installation.stop() == 0


def test_a_client_that_never_ends_its_request_does_not_get_the_api_killed(installation: Installation) -> None:
    address = httpx.URL(installation.start_and_wait())
    head = (
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 50\r\n\r\n{"
    )

    with closing(socket.create_connection((address.host, address.port), timeout=30)) as client:
        client.sendall(head.encode())
        # The server has the head once it answers somebody else on a later connection.
        wait_until(lambda: alive(str(address)), "the API answers")

        assert installation.stop() == 0

    assert "program_stopped" in installation.err.read_text()
    assert "program_killed" not in installation.err.read_text()


def test_nothing_survives_a_supervisor_that_was_killed(installation: Installation) -> None:
    installation.start_and_wait()
    assert len(marked(installation.mark)) > 5

    assert installation.stop(signal.SIGKILL) == -signal.SIGKILL

    wait_until(lambda: marked(installation.mark) == [], "API, workers, PostgreSQL and Valkey have ended")


def test_a_taken_port_stops_the_start_and_says_so(installation: Installation) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        process = installation.start("--port", port)

        assert process.wait(START_S) == 1

    said = installation.err.read_text()
    assert f"cannot listen on 127.0.0.1 port {port}" in said
    assert "Traceback" not in said


def test_an_api_that_cannot_start_stops_everything(installation: Installation) -> None:
    # Whatever can be found out before is; this is what nobody could foresee.
    broken = installation.home / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text("import os, sys\nif 'api' in sys.orig_argv:\n    os._exit(3)\n")

    process = installation.start("--port", "0", PYTHONPATH=str(broken))

    assert process.wait(START_S) == 1
    assert "the API ended before it answered" in installation.err.read_text()
    # The password of an administrator who was made in vain is still known.
    assert re.search(r"the first administrator is admin with the password \S+,", installation.err.read_text())


def test_a_request_to_stop_during_the_start_is_heeded(installation: Installation) -> None:
    process = installation.start("--port", "0")
    wait_until(lambda: len(marked(installation.mark)) > 1, "it has begun to start its servers")

    assert installation.stop() == 0
    assert process.returncode == 0
