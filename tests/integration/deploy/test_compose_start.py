"""What compose.yaml starts, started here in its order without containers: roles, schema, API, a worker."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from qs.infra.embedded import Lease, discard, ensure
from qs.infra.embedded.binaries import find_psql
from tests.architecture.test_containers import DOCKER, SERVICES, environment_of, make_secrets
from tests.support.command_line import called
from tests.support.processes import clean_environment, ending, wait_until


@pytest.fixture
def fresh() -> Iterator[Lease]:
    """A cluster that has never heard of qs, and a Redis: roles belong to all databases of a cluster."""
    home = Path(tempfile.mkdtemp(prefix="qs-test-"))
    lease = ensure(home, ephemeral=True)
    try:
        yield lease
    finally:
        lease.close()
        discard(home)
        shutil.rmtree(home, ignore_errors=True)


def point_to(lease: Lease, secrets: Path) -> None:
    """The addresses in the files lead to the servers of the lease, with the logins they hold."""
    query = urlsplit(lease.database_url).query
    for name in ("database_url", "migration_database_url"):
        file = secrets / name
        file.write_text(file.read_text().strip().replace("@postgres:5432/qs", f"@/qs?{query}"))
    (secrets / "redis_url").write_text(lease.redis_url)


def make_roles(lease: Lease, secrets: Path) -> None:
    socket = re.search(r"host=([^&]+)", lease.database_url)
    port = re.search(r"port=(\d+)", lease.database_url)
    assert socket is not None
    environment = {
        "PATH": f"{find_psql().parent}:{os.defpath}",
        "SECRETS": str(secrets),
        "PGHOST": socket[1],
        "PGPORT": port[1] if port else "5432",
        "POSTGRES_USER": "qs",
    }
    subprocess.run([str(DOCKER / "postgres-init.sh")], env=environment, check=True)


def test_what_compose_starts_becomes_ready_with_two_logins_that_own_nothing(
    fresh: Lease, tmp_path: Path
) -> None:
    secrets = tmp_path / "secrets"
    make_secrets(secrets)
    make_roles(fresh, secrets)
    point_to(fresh, secrets)

    def command(service: str) -> list[str]:
        return [word.replace("0.0.0.0", "127.0.0.1") for word in SERVICES[service]["command"]]

    def environment(service: str) -> dict[str, str]:
        return {
            "QS_ENV": "production",
            "QS_HOME": str(tmp_path / "home"),
            **environment_of(service, secrets),
        }

    upgraded = [called(environment("migrate"), *command("migrate")) for _ in range(2)]
    port_file = tmp_path / "port"
    with ExitStack() as stack:
        for service, more in (("api", ["--port", "0", "--port-file", str(port_file)]), ("cron", [])):
            words = [sys.executable, "-P", "-m", "qs", *command(service), *more]
            told = clean_environment(**environment(service))
            stack.enter_context(ending(subprocess.Popen(words, env=told, stdout=subprocess.DEVNULL)))
        wait_until(port_file.exists, "the API answers")
        port = port_file.read_text().strip()
        stack.enter_context(client := httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60))

        def status() -> str:
            return str(client.get("/health/ready").json().get("data", {}).get("status"))

        wait_until(lambda: status() == "ok", "it is ready and a cron worker was seen")
        checked = subprocess.run(
            [sys.executable, "-P", str(DOCKER / "healthcheck.py"), "ready"],
            env={"QS_PORT": port},
            check=False,
        )
        password = (secrets / "admin_password").read_text().strip()
        who = {"username": "admin", "password": password}
        logged_in = client.post("/api/v1/auth/login", json=who)

    assert [each.returncode for each in upgraded] == [0, 0]
    assert checked.returncode == 0
    assert logged_in.status_code == 200
    assert asyncio.run(rights_of((secrets / "database_url").read_text())) == (False, False, 0)


async def rights_of(address: str) -> tuple[bool, bool, int]:
    """Whether the login is a superuser, whether it may make tables, and how many tenants it sees by itself."""
    connection = await asyncpg.connect(address)
    try:
        powerful = await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        may_create = await connection.fetchval("SELECT has_schema_privilege('public', 'CREATE')")
        seen = await connection.fetchval("SELECT count(*) FROM tenant")
    finally:
        await connection.close()
    return bool(powerful), bool(may_create), int(seen)
