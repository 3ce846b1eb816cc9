"""The real service, as its own process on its own servers, and what its OpenAPI document says of it."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from qs.application.kernel.limiting import KINDS
from qs.infra.embedded import discard
from tests.support.processes import ending

_PASSWORD = "correct horse battery staple of the fuzzer"


@pytest.fixture(scope="session")
def service() -> Iterator[str]:
    """The address of a running service."""
    home = Path(tempfile.mkdtemp(prefix="qs-fuzz-"))
    port_file, log = home / "port", home / "service.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QS_")}
    environment |= {
        "QS_HOME": str(home),
        "QS_ENV": "test",
        "QS_PORT": "0",
        "QS_ADMIN_USERNAME": "fuzzer",
        "QS_ADMIN_PASSWORD": _PASSWORD,
        "QS_LOG_LEVEL": "warning",
        # Whoever sends generated requests calls more often than anybody may.
        **{f"QS_LIMITS__{kind.upper()}": "0" for kind in KINDS},
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "qs", "up", "--ephemeral", "--port-file", str(port_file)],
            env=environment,
            cwd=home,
            stdout=output,
            stderr=output,
        )
    try:
        with ending(process):
            deadline = time.monotonic() + 120
            while not port_file.exists():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port_file.read_text().strip()}"
            process.terminate()
            process.wait(60)
    finally:
        discard(home)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def token(service: str) -> str:
    """An administrator's access token."""
    answer = httpx.post(
        f"{service}/api/v1/auth/login", json={"username": "fuzzer", "password": _PASSWORD}, timeout=30
    )
    answer.raise_for_status()
    access_token: str = answer.json()["access_token"]
    return access_token
