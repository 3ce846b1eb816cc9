"""The whole service as processes of its own on servers of its own, for those who ask it from outside."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from qs.infra.embedded import discard
from tests.support.processes import ending


@contextmanager
def running_service(username: str, password: str, settings: Mapping[str, str] = {}) -> Iterator[str]:
    """The address of ``qs up`` with that administrator; ``settings`` are environment variables over the usual."""
    home = Path(tempfile.mkdtemp(prefix="qs-service-"))
    port_file, log = home / "port", home / "service.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QS_")}
    environment |= {
        "QS_HOME": str(home),
        "QS_ENV": "test",
        "QS_PORT": "0",
        "QS_ADMIN_USERNAME": username,
        "QS_ADMIN_PASSWORD": password,
        "QS_LOG_LEVEL": "warning",
        **settings,
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
