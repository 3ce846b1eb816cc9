"""gRPC in the process of `qs api`: on its port, over TLS, to its end, and refused where it cannot be."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from msgspec.structs import replace

from qs.container import build_container, close
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.interface.grpc.v1 import plan_duties_pb2 as messages
from qs.interface.grpc.v1.plan_duties_pb2_grpc import PlanDutiesStub
from qs.settings import Settings
from tests.support.certificates import make_certificate
from tests.support.command_line import called
from tests.support.processes import clean_environment, ending, wait_until

KEY = "k1:Zq3vX9bT7mLw2RcYp8NdKs5HjGf4UeQa"
SWEEP = messages.SchedulePendingTasksRequest()
WITHOUT_GRPC = "import sys; sys.modules['{}'] = None; from qs.interface.cli.main import run; run()"


@pytest.fixture
def environment(settings: Settings, tmp_path: Path) -> dict[str, str]:
    return {
        "QS_ENV": "test",
        "QS_HOME": str(tmp_path),
        "QS_SECRET_KEY": KEY,
        "QS_DATABASE_URL": settings.database.url or "",
        "QS_REDIS_URL": settings.redis.url or "",
        "QS_LOG_FORMAT": "json",
        "QS_SERVER__GRPC_PORT": "0",
    }


@pytest.fixture
def token(settings: Settings) -> str:
    """A token of the installation that may do everything."""

    async def issue() -> str:
        container = build_container(replace(settings, secret_key=KEY))
        try:
            issuing = container.token_issuing()
            return (await issuing.issue(DEFAULT_TENANT, ["admin"], timedelta(hours=1), actor="test")).token
        finally:
            await close(container)

    return asyncio.run(issue())


@contextmanager
def api(
    environment: Mapping[str, str], directory: Path, verb: str = "api"
) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """A running `qs api`, or another verb that serves it, and the port on which it says that it serves gRPC."""
    said = directory / f"said-{uuid.uuid4()}"
    with said.open("wb") as out:
        command = (sys.executable, "-P", "-m", "qs", verb, "--port", "0")
        process = subprocess.Popen(
            command, env=clean_environment(**environment), stdout=out, stderr=subprocess.STDOUT
        )
    with ending(process):

        def lines() -> list[Any]:
            return [json.loads(line) for line in said.read_text().splitlines() if line.startswith("{")]

        def port() -> list[int]:
            return [line["port"] for line in lines() if line.get("event") == "grpc_serving"]

        def answers() -> bool:
            text = said.read_text()
            return "address" in text or "qs answers at" in text or process.poll() is not None

        wait_until(answers, "it answers")
        assert process.poll() is None, said.read_text()
        yield process, port()[0]
        assert "Traceback" not in said.read_text()


def python(environment: Mapping[str, str], code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """What a Python of its own made of the code."""
    command = (sys.executable, "-P", "-c", code, *arguments)
    return subprocess.run(
        command, env=clean_environment(**environment), capture_output=True, text=True, timeout=100
    )


@pytest.mark.parametrize(
    ("verb", "number"), [("api", signal.SIGTERM), ("api", signal.SIGINT), ("up", signal.SIGTERM)]
)
def test_it_serves_beside_http_and_ends_with_0_although_somebody_watches_it(
    environment: dict[str, str], tmp_path: Path, token: str, verb: str, number: signal.Signals
) -> None:
    with (
        api(environment, tmp_path, verb) as (process, port),
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        seen = [next(watch).status]
        report = PlanDutiesStub(channel).SchedulePendingTasks(
            SWEEP, metadata=(("authorization", f"Bearer {token}"),), timeout=60
        )

        process.send_signal(number)
        seen.append(next(watch).status)

        # The API well before the time that calls under way would be given; its workers take their own.
        assert process.wait(10 if verb == "api" else 60) == 0
    assert seen == [health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING]
    assert report.status == "done"


def test_with_a_certificate_it_speaks_tls_only(
    environment: dict[str, str], tmp_path: Path, token: str
) -> None:
    certificate, key = make_certificate(tmp_path)
    tls = {"QS_SERVER__TLS__CERT_FILE": str(certificate), "QS_SERVER__TLS__KEY_FILE": str(key)}
    metadata = (("authorization", f"Bearer {token}"),)

    def code(channel: Any) -> Any:
        with channel, pytest.raises(grpc.RpcError) as refused:
            PlanDutiesStub(channel).SchedulePendingTasks(SWEEP, metadata=metadata, timeout=60)
        return refused.value.code()

    with api(environment | tls, tmp_path) as (_, port):
        address = f"127.0.0.1:{port}"
        credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
        with grpc.secure_channel(address, credentials) as channel:
            report = PlanDutiesStub(channel).SchedulePendingTasks(SWEEP, metadata=metadata, timeout=60)
        in_clear = code(grpc.insecure_channel(address))
        unknown_authority = code(grpc.secure_channel(address, grpc.ssl_channel_credentials()))

    assert report.status == "done"
    assert {in_clear, unknown_authority} == {grpc.StatusCode.UNAVAILABLE}


@pytest.mark.parametrize(("verb", "package"), [("api", "grpc"), ("up", "google")])
def test_without_the_extra_nothing_starts_and_how_to_get_it_is_said(
    environment: dict[str, str], verb: str, package: str
) -> None:
    found = python(environment, WITHOUT_GRPC.format(package), verb, "--port", "0")

    assert (found.returncode, found.stdout) == (1, "")
    assert "server.grpc_port" in found.stderr
    assert "pip install 'qs[grpc]'" in found.stderr
    assert "Traceback" not in found.stderr


def test_without_the_extra_and_the_port_the_application_is_made(environment: dict[str, str]) -> None:
    del environment["QS_SERVER__GRPC_PORT"]
    code = "import sys; sys.modules['grpc'] = None; import qs.asgi; qs.asgi.app; print('made')"

    found = python(environment, code)

    assert found.stdout.splitlines()[-1] == "made", found.stderr


def test_without_the_port_nothing_of_grpc_is_imported(environment: dict[str, str]) -> None:
    del environment["QS_SERVER__GRPC_PORT"]
    code = "import sys, qs.asgi; qs.asgi.app; print({'grpc', 'google.protobuf'} & set(sys.modules))"

    found = python(environment, code)

    assert found.stdout.splitlines()[-1] == "set()", found.stderr


@pytest.mark.parametrize("verb", ["api", "up"])
def test_a_taken_port_is_one_sentence_and_exit_1(environment: dict[str, str], verb: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])

        found = called(environment | {"QS_SERVER__GRPC_PORT": port}, verb, "--port", 0)

    assert (found.returncode, found.stdout) == (1, "")
    assert "gRPC cannot be served on 127.0.0.1" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"QS_PORT": "4096", "QS_SERVER__GRPC_PORT": "4096"},
            "server.grpc_port: is 4096, where HTTP is served",
        ),
        ({"QS_SERVER__GRPC_PORT": "x"}, "server.grpc_port: is x"),
        ({"QS_ENV": "development", "QS_HOST": "0.0.0.0"}, "development listens on loopback only"),
        ({"QS_ENV": "production", "QS_HOST": "0.0.0.0"}, "without TLS"),
    ],
)
def test_it_listens_where_http_may_and_nowhere_else(
    environment: dict[str, str], variables: dict[str, str], said: str
) -> None:
    found = called(environment | variables, "api")

    assert (found.returncode, found.stdout) == (1, "")
    assert said in found.stderr
