"""`qs api` and `qs worker`: single roles on servers of somebody else."""

import asyncio
import json
import signal
import socket
import ssl
import subprocess
import sys
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import ClassVar

import asyncpg
import httpx
import psutil
import pytest

from tests.support.certificates import make_certificate
from tests.support.processes import clean_environment, ending, marked, wait_until

TOKEN = "8f14e45f-ceea-867f-b5d4-2c1b7a9e0d33"


class Started:
    """A program of qs that runs until the test is over."""

    all: ClassVar[list["Started"]] = []

    def __init__(self, arguments: tuple[str, ...], environment: Mapping[str, str], directory: Path) -> None:
        self.out, self.err, self.port_file = directory / "out", directory / "err", directory / "port"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                (sys.executable, "-P", "-m", *arguments), env=environment, stdout=out, stderr=err
            )
        self.all.append(self)

    def port(self) -> int:
        wait_until(lambda: self.port_file.exists() or self.process.poll() is not None, "it listens")
        assert self.process.poll() is None, self.err.read_text()
        return int(self.port_file.read_text())

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """What a test started and did not come to stop must not fall on the next one."""
    yield
    while Started.all:
        with ending(Started.all.pop().process):
            pass


@pytest.fixture
def mark() -> Iterator[str]:
    mark = f"mark-{uuid.uuid4()}"
    yield mark
    left = marked(mark)
    for process in left:
        process.kill()
    assert left == []


@pytest.fixture
def environment(database_url: str, redis_url: str, tmp_path: Path, mark: str) -> dict[str, str]:
    return dict(
        clean_environment(
            MARK=mark,
            QS_ENV="test",
            QS_HOME=str(tmp_path),
            QS_SECRET_KEY="k1:Zq3vX9bT7mLw2RcYp8NdKs5HjGf4UeQa",
            QS_DATABASE_URL=database_url,
            QS_REDIS_URL=redis_url,
        )
    )


def start_api(environment: Mapping[str, str], directory: Path, *options: str) -> Started:
    arguments = ("qs", "api", "--port", "0", "--port-file", str(directory / "port"), *options)
    return Started(arguments, environment, directory)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_api_writes_its_port_answers_and_ends_with_0_when_asked(
    environment: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    api = start_api(environment, tmp_path, "--json")
    address = f"http://127.0.0.1:{api.port()}"

    answer = httpx.get(f"{address}/health/alive", timeout=30)

    assert answer.status_code == 200
    assert "server" not in answer.headers
    assert json.loads(api.out.read_text()) == {"address": address}
    assert api.stop(number) == 0


def test_the_query_of_a_request_reaches_no_log(environment: dict[str, str], tmp_path: Path) -> None:
    api = start_api(
        environment | {"QS_LOG_LEVEL": "debug", "QS_LOG__PATH": str(tmp_path / "qs.log")}, tmp_path
    )

    asked = {"token": TOKEN, "task_id": TOKEN}
    httpx.get(f"http://127.0.0.1:{api.port()}/entry", params=asked, timeout=30)

    assert api.stop() == 0
    assert TOKEN not in api.out.read_text() + api.err.read_text() + (tmp_path / "qs.log").read_text()


def test_a_token_of_absurd_length_gets_the_answer_of_every_wrong_one(
    environment: dict[str, str], tmp_path: Path
) -> None:
    api = start_api(environment, tmp_path)
    address = f"http://127.0.0.1:{api.port()}"

    with closing(HTTPConnection("127.0.0.1", api.port(), timeout=60)) as connection:
        connection.request("GET", f"/api/v1/entries?token={'A' * 100_000}&task_id={TOKEN}")
        absurd = connection.getresponse()
        told = json.loads(absurd.read())
    wrong = httpx.get(f"{address}/api/v1/entries", params={"token": TOKEN, "task_id": TOKEN}, timeout=30)

    assert (absurd.status, wrong.status_code) == (404, 404)
    assert absurd.headers["content-type"] == wrong.headers["content-type"]
    assert told | {"instance": None} == wrong.json() | {"instance": None}
    assert api.stop() == 0


def test_a_request_that_was_begun_is_finished(environment: dict[str, str], tmp_path: Path) -> None:
    api = start_api(environment, tmp_path)
    body = b'{"username": "nobody", "password": "at-all-whatsoever"}'
    head = (
        f"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )

    with closing(socket.create_connection(("127.0.0.1", api.port()), timeout=60)) as connection:
        connection.sendall(head.encode() + body[:10])
        # The server has the head once it answers somebody else on a later connection.
        httpx.get(f"http://127.0.0.1:{api.port()}/health/alive", timeout=30)
        api.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not listens(api.port()), "it takes no new connection")
        connection.sendall(body[10:])

        answer = connection.recv(65536)

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert api.process.wait(60) == 0


def test_an_api_that_was_asked_to_end_still_takes_what_comes_while_it_says_that_it_is_not_ready(
    environment: dict[str, str], tmp_path: Path
) -> None:
    api = start_api({**environment, "QS_SERVER__DRAIN_S": "5"}, tmp_path)
    address = f"http://127.0.0.1:{api.port()}"
    ready_before = httpx.get(f"{address}/health/ready", timeout=30).status_code

    api.process.send_signal(signal.SIGTERM)
    # Each on a connection of its own.
    wait_until(lambda: httpx.get(f"{address}/health/ready", timeout=30).status_code == 503, "it says no")
    answer = httpx.get(f"{address}/health/alive", timeout=30)

    assert (ready_before, answer.status_code) == (200, 200)
    assert api.process.wait(60) == 0


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def test_a_taken_port_is_one_sentence_and_exit_1(environment: dict[str, str], tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        api = Started(("qs", "api", "--port", str(taken.getsockname()[1])), environment, tmp_path)

        assert api.process.wait(60) == 1

    assert "cannot listen" in api.err.read_text()
    assert "Traceback" not in api.err.read_text()


def test_with_a_certificate_it_speaks_https(environment: dict[str, str], tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    tls = {"QS_SERVER__TLS__CERT_FILE": str(certificate), "QS_SERVER__TLS__KEY_FILE": str(key)}
    api = start_api(environment | tls, tmp_path)
    context = ssl.create_default_context(cafile=str(certificate))

    answer = httpx.get(f"https://127.0.0.1:{api.port()}/health/alive", verify=context, timeout=30)

    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"]
    assert api.out.read_text() == f"address  https://127.0.0.1:{api.port()}\n"
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{api.port()}/health/alive", timeout=30)
    assert negotiated(api.port(), certificate, ssl.TLSVersion.TLSv1_1) is None
    assert negotiated(api.port(), certificate, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    assert negotiated(api.port(), certificate, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    assert api.stop() == 0


def negotiated(port: int, certificate: Path, version: ssl.TLSVersion) -> str | None:
    """The version that is spoken with a client that knows none but ``version``."""
    context = ssl.create_default_context(cafile=str(certificate))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    # Without this OpenSSL itself would not offer the old ones.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped,
        ):
            return wrapped.version()
    except ssl.SSLError:
        return None


def test_a_key_that_cannot_be_used_stops_the_start_and_is_named(
    environment: dict[str, str], tmp_path: Path
) -> None:
    certificate, _ = make_certificate(tmp_path)
    (tmp_path / "other").mkdir()
    _, key_of_another = make_certificate(tmp_path / "other")
    tls = {"QS_SERVER__TLS__CERT_FILE": str(certificate), "QS_SERVER__TLS__KEY_FILE": str(key_of_another)}

    api = start_api(environment | tls, tmp_path)

    assert api.process.wait(60) == 1
    assert "server.tls.key_file" in api.err.read_text()
    assert "Traceback" not in api.err.read_text()


def workers(mark: str) -> dict[str, psutil.Process]:
    found = {}
    for process in marked(mark):
        # A child may end between being found and being asked.
        with suppress(psutil.NoSuchProcess):
            words = process.cmdline()
            if words[3:4] == ["workers"]:
                found[words[-1]] = process
    return found


def test_the_worker_runs_the_roles_it_is_given_each_in_a_process(
    environment: dict[str, str], tmp_path: Path, mark: str
) -> None:
    worker = Started(("qs", "worker", "--roles", "relay,cron,relay", "--json"), environment, tmp_path)
    wait_until(lambda: set(workers(mark)) == {"relay", "cron"}, "both roles run")
    first = workers(mark)["relay"]

    first.kill()

    wait_until(
        lambda: {name: p.pid for name, p in workers(mark).items()}.get("relay") not in (None, first.pid),
        "again",
    )
    assert json.loads(worker.out.read_text()) == {"roles": ["relay", "cron"]}
    assert worker.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("qs", "worker", "--roles", "cook"), 2, "cook"),
        (("qs", "worker", "--roles", "ticker,tocker"), 2, "tocker"),
        (("workers",), 2, "usage"),
        (("workers", "cook"), 2, "one of cron, relay, notifications"),
        (("workers", "tocker"), 2, "ticker, executions"),
    ],
)
def test_a_role_that_is_not_there_is_refused(
    arguments: tuple[str, ...], code: int, said: str, environment: dict[str, str], tmp_path: Path
) -> None:
    worker = Started(arguments, environment, tmp_path)

    assert worker.process.wait(60) == code
    assert said in worker.err.read_text()
    assert "Traceback" not in worker.err.read_text()


def was_seen(environment: Mapping[str, str], role: str) -> bool:
    """Whether the role has told the database that it is at work."""

    async def ask() -> bool:
        connection = await asyncpg.connect(environment["QS_DATABASE_URL"])
        try:
            return bool(
                await connection.fetchval("SELECT count(*) FROM worker_heartbeat WHERE role = $1", role)
            )
        finally:
            await connection.close()

    return asyncio.run(ask())


@pytest.mark.parametrize("role", ["cron", "relay", "notifications"])
def test_a_role_by_itself_ends_with_0_when_asked(
    role: str, environment: dict[str, str], tmp_path: Path, mark: str
) -> None:
    worker = Started(("workers", role), environment | {"QS_LOG_LEVEL": "debug"}, tmp_path)
    wait_until(lambda: was_seen(environment, role), "it has been seen at work")

    assert worker.stop() == 0
    assert "Traceback" not in worker.err.read_text()
