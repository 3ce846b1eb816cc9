"""The image and compose.yaml: nothing runs as root, nothing is written where it must not be, and production would start."""

import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from qs.settings import load_settings
from qs.settings.checks import AVAILABLE_ROLES

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "deploy" / "docker"
# Of Docker Hub, by its short name, and of one version.
IMAGE = re.compile(r"[a-z]+:[0-9]+(?:\.[0-9]+)*-[a-z0-9-]+")


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"(?m)^#.*\n", "", (DOCKER / "Dockerfile").read_text(encoding="utf-8"))
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines) if word]


def compose(**given: str) -> dict[str, Any]:
    """compose.yaml with its variables put in, those of .env.example where they are not given."""
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    values = dict(re.findall(r"(?m)^(\w+)=(.*)$", example)) | given
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(\w+)", text)) == set(values)
    document: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{(\w+)[^}]*\}", lambda m: values[m[1]], text))
    return document


SERVICES: dict[str, dict[str, Any]] = compose()["services"]
OF_QS = sorted(name for name, service in SERVICES.items() if service["image"] == "qs:latest")


def make_secrets(directory: Path) -> None:
    subprocess.run(["sh", str(DOCKER / "make-secrets.sh"), str(directory)], check=True)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("compose") / "secrets"
    make_secrets(directory)
    return directory


def environment_of(name: str, secrets: Path) -> dict[str, str]:
    """What the container of the service is told, with its secrets where they are here."""
    environment = {key: str(value) for key, value in SERVICES[name]["environment"].items()}
    return {key: value.replace("/run/secrets", str(secrets)) for key, value in environment.items()}


def test_the_image_is_made_from_hashes_and_runs_as_somebody_without_rights() -> None:
    found = instructions()
    stages = [index for index, (word, _) in enumerate(found) if word == "FROM"]
    last = found[stages[-1] :]

    assert len(stages) == 2
    assert [rest for word, rest in last if word == "USER"] == ["10001:10001"]
    assert next(rest for word, rest in reversed(last) if word == "CMD") == '["api", "--host", "0.0.0.0"]'
    downloads = [
        rest for word, rest in found if word == "RUN" and re.search(r"pip (download|install|wheel)", rest)
    ]
    assert [rest for rest in downloads if "--require-hashes" not in rest and "--no-index" not in rest] == []
    assert not any(word == "ADD" or re.search(r"\bcurl\b|\bwget\b|https?://", rest) for word, rest in found)
    # The base is the same in both stages, since the environment of the first looks for its Python.
    (python,) = {rest.partition(" AS ")[0] for word, rest in found if word == "FROM"}
    version = dict(rest.split("=") for word, rest in found[: stages[0]] if word == "ARG")["PYTHON"]
    assert IMAGE.fullmatch(python.replace("${PYTHON}", version))


def test_what_is_copied_into_the_image_is_there_and_goes_into_its_build() -> None:
    let_in = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }

    assert copied == let_in
    assert [path for path in copied if not (ROOT / path).exists()] == []
    # What the build of the wheel reads must not be kept out.
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'readme = "README.md"' in project
    assert 'packages = ["src/qs", "workers"]' in project


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_can_write_nowhere_and_gain_nothing(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["image"] == "qs:latest" or (
        IMAGE.fullmatch(service["image"]) and service["user"] == "999:999"
    )
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert {"privileged", "cap_add", "network_mode", "pid", "devices"} & set(service) == set()
    # In no variable is a secret: those are files.
    assert not any(
        re.search(r"(PASSWORD|SECRET|KEY|URL)$", key)
        for key in service.get("environment", ())
        if key != "QS_ENTRY_BASE_URL"
    )


def test_the_databases_have_no_way_out_and_every_role_is_at_work() -> None:
    document = compose()
    commands = {name: SERVICES[name]["command"] for name in OF_QS}

    assert document["networks"]["inside"] == {"internal": True}
    assert [SERVICES[name]["networks"] for name in ("postgres", "redis", "migrate")] == [["inside"]] * 3
    workers = {name for name, command in commands.items() if command[0] == "worker"}
    assert workers == set(AVAILABLE_ROLES)
    assert all(commands[name] == ["worker", "--roles", name] for name in workers)
    for name in (*workers, "api"):
        assert SERVICES[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        assert SERVICES[name]["stop_grace_period"] == "30s"
    # Only where the schema is changed is there a login that may.
    holders = {name for name in OF_QS if "migration_database_url" in SERVICES[name]["secrets"]}
    assert holders == {"migrate"}


def test_the_secrets_that_are_mounted_are_those_that_are_made_once(secrets: Path) -> None:
    document = compose()
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    made = {path.name: path.read_text() for path in secrets.iterdir()}

    make_secrets(secrets)

    assert used == set(document["secrets"]) == set(made)
    assert all(each == {"file": f"./secrets/{name}"} for name, each in document["secrets"].items())
    assert {path.name: path.read_text() for path in secrets.iterdir()} == made
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    passwords = re.findall(
        r"[A-Za-z0-9_-]{43}", "\n".join(made[name] for name in made if name != "redis_url")
    )
    assert len(passwords) == len(set(passwords)) == 6


@pytest.mark.parametrize("name", OF_QS)
def test_production_starts_with_what_compose_tells_it(name: str, secrets: Path) -> None:
    environment = {"QS_ENV": "production", "QS_HOME": "/var/lib/qs"} | environment_of(name, secrets)
    if name == "api":
        environment["QS_HOST"] = "0.0.0.0"

    settings = load_settings(None, environment)

    files = {Path(value).name for key, value in environment.items() if key.endswith("_FILE")}
    assert files == set(SERVICES[name]["secrets"])
    assert settings.database.url is not None
    assert "@postgres:5432/" in settings.database.url
    assert settings.redis.url is not None
    assert (settings.database.migration_url is not None) == (name == "migrate")


@pytest.fixture
def answering() -> Iterator[tuple[int, list[str]]]:
    """The port of a server whose /health/alive is well and whose /health/ready is not, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if self.path == "/health/alive" else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, asked
        server.shutdown()
        thread.join()


def test_the_health_check_believes_200_and_nothing_else(answering: tuple[int, list[str]]) -> None:
    port, asked = answering
    command = [sys.executable, "-P", str(DOCKER / "healthcheck.py")]

    def check(*words: str, port: int = port) -> int:
        environment = {"QS_PORT": str(port)}
        return subprocess.run(
            [*command, *words], env=environment, capture_output=True, check=False
        ).returncode

    assert check("alive") == check() == 0
    assert check("ready") == 1
    assert check(port=1) == 1
    assert asked == ["/health/alive", "/health/alive", "/health/ready"]
