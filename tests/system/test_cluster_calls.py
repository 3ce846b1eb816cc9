"""What the pods of the CronJobs do, done here by the same script with nothing but sh and curl; no cluster was ever tried."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import yaml

from qs.settings import Settings
from tests.integration.crontab.kit import SWEEP, StubServer, a_token, left_behind
from tests.integration.crontab.test_real_api import furnish, start_api
from tests.support.processes import wait_until

pytestmark = pytest.mark.system

CLUSTER = Path(__file__).parents[2] / "deploy" / "k8s"
TOKEN = "/oauth2/token"
NASTY = "s3+cr&t=%\"'$`\\ 密"


class Pod:
    """The container of a CronJob: its command, its environment, its mounted Secret, its scratch directory."""

    def __init__(self, directory: Path, api: str) -> None:
        self.directory = directory
        self.secret = directory / "secret"
        self.secret.mkdir()
        self.scratch = directory / "scratch"
        self.scratch.mkdir()
        programs = directory / "bin"
        programs.mkdir()
        for program in ("cat", "curl", "date", "mktemp", "rm", "sed", "sh", "tr"):
            found = shutil.which(program)
            assert found is not None
            (programs / program).symlink_to(found)
        self.environment = {
            "PATH": str(programs),
            "TMPDIR": str(self.scratch),
            "SECRET_DIR": str(self.secret),
            "API_BASE_URL": api,
            "TIMEOUT": "30",
            "RETRIES": "1",
        }

    def put(self, **values: str) -> None:
        for name, value in values.items():
            (self.secret / name.replace("_", "-")).write_text(value)

    def call(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["sh", str(CLUSTER / "call-duty.sh"), *(arguments or (SWEEP,))],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )


@pytest.fixture
def stub() -> Iterator[StubServer]:
    server = StubServer()
    token = a_token()
    server.answer = lambda path, _: (200, {"access_token": token} if path == TOKEN else {"data": {}})
    yield server
    server.close()


@pytest.fixture
def pod(tmp_path: Path, stub: StubServer) -> Iterator[Pod]:
    pod = Pod(tmp_path, stub.url)
    yield pod
    assert left_behind(pod.scratch) == []


def test_client_credentials_of_any_characters_bring_a_token_and_the_duty_is_called(
    pod: Pod, stub: StubServer
) -> None:
    # The line break is what an editor or an echo adds.
    pod.put(client_id="qsc_1\n", client_secret=NASTY + "\n")

    done = pod.call()

    assert done.returncode == 0, done.stdout
    login, call = stub.seen
    assert parse_qs(login.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["qsc_1"],
        "client_secret": [NASTY],
    }
    assert (call.path, call.body) == (SWEEP, b"")
    assert "Content-Type" not in call.headers
    assert call.headers["Authorization"].startswith("Bearer ey")
    assert re.fullmatch(rf"\[[\d-]+ [\d:]+\] {SWEEP}: ok, status 200\n", done.stdout)


def test_no_secret_stands_in_an_argument_list_or_in_the_log(pod: Pod, stub: StubServer) -> None:
    pod.put(client_id="qsc_1", client_secret="plain-secret")

    done = pod.call()

    token = stub.seen[1].headers["Authorization"].removeprefix("Bearer ")
    for seen in stub.seen:
        assert "curl" in seen.processes
        assert "plain-secret" not in seen.processes
        assert token not in seen.processes
    assert token not in done.stdout + done.stderr


def test_a_token_of_the_secret_is_taken_as_it_is(pod: Pod, stub: StubServer) -> None:
    pod.put(token="a.b.c\n")

    assert pod.call().returncode == 0
    assert [(seen.path, seen.headers["Authorization"]) for seen in stub.seen] == [(SWEEP, "Bearer a.b.c")]


@pytest.mark.parametrize(("status", "code"), [(401, 11), (403, 12), (404, 13), (500, 14)])
def test_a_refusal_ends_with_the_exit_code_of_the_kit(
    pod: Pod, stub: StubServer, status: int, code: int
) -> None:
    pod.put(token="a.b.c")
    stub.answer = lambda *_: (status, {"detail": "of no use to a log"})

    done = pod.call()

    assert done.returncode == code
    assert f"FAILED ({code}): status {status}" in done.stdout
    assert "of no use" not in done.stdout


def test_a_500_and_then_a_200_is_a_success(pod: Pod, stub: StubServer) -> None:
    pod.put(token="a.b.c")
    stub.answer = lambda _, number: (500 if number == 1 else 200, {})

    assert pod.call().returncode == 0
    assert len(stub.seen) == 2


def test_nobody_there_is_told_from_a_login_that_is_refused_and_from_an_empty_secret(
    pod: Pod, stub: StubServer
) -> None:
    assert pod.call().returncode == 10

    pod.put(token="a.b.c")
    assert pod.call(API_BASE_URL="http://127.0.0.1:9", RETRIES="0").returncode == 16

    pod.put(client_id="x", client_secret="y")
    stub.answer = lambda *_: (401, {"error": "invalid_client"})
    assert pod.call().returncode == 10


@pytest.mark.parametrize("path", ["", "/health/ready", "http://elsewhere/api/v1/x"])
def test_misuse_exits_with_2(pod: Pod, path: str) -> None:
    assert pod.call(path).returncode == 2


def test_shellcheck_finds_nothing_in_what_deploys() -> None:
    scripts = [CLUSTER / "call-duty.sh", *sorted((CLUSTER.parent / "crontab" / "ci").glob("*.sh"))]

    command = ["shellcheck", "--external-sources", *map(str, scripts)]
    found = subprocess.run(command, cwd=CLUSTER.parents[1], capture_output=True, text=True, check=False)

    assert (found.returncode, found.stdout) == (0, "")


def test_every_cron_job_does_its_duty_on_the_real_api(settings: Settings, tmp_path: Path) -> None:
    process, port_file = start_api(settings, tmp_path)
    try:
        client_id, client_secret, _ = asyncio.run(furnish(settings))
        wait_until(lambda: Path(port_file).exists() or process.poll() is not None, "it listens")
        pod = Pod(tmp_path, f"http://127.0.0.1:{int(Path(port_file).read_text())}/api/v1/")
        pod.put(client_id=client_id, client_secret=client_secret)

        for manifest in sorted(CLUSTER.glob("*.yaml")):
            job = yaml.safe_load(manifest.read_text())
            if job["kind"] == "CronJob":
                template = job["spec"]["jobTemplate"]["spec"]["template"]
                called = pod.call(*template["spec"]["containers"][0]["command"][2:], TIMEOUT="60")
                assert (called.returncode, called.stderr) == (0, ""), json.dumps(called.stdout)
    finally:
        process.terminate()
        process.wait(60)
