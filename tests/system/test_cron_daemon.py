"""Debian's own cron fires the installed line while the workers' clock runs as well.

The daemon has a mount namespace of its own, in which the directories it reads and writes are ours: nothing of the host is
changed, and no other crontab fires.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from qs.container import build_container, close
from qs.domain.identity.scopes import ROLES
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.settings import Settings
from tests.support.notifying import Clinic
from tests.support.processes import clean_environment, ending, wait_until

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

KIT = Path(__file__).parents[2] / "deploy" / "crontab"
LOGS = ("sync-daily", "sync-accumulated", "sync-plan", "validate", "schedule-tasks", "expire-tasks")
PRIVATE = """
set -e
for place in /etc/cron.d /etc/qs-server /usr/local/bin /usr/local/lib /var/log/qs-scheduler; do
    mount --bind "$1$place" "$place"
done
mount --bind "$1/spool" /var/spool/cron/crontabs
mount --bind "$1/crontab" /etc/crontab
mount -t tmpfs -o mode=755 none /run
exec cron -f -L 0
"""


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    return dict(
        clean_environment(
            QS_ENV="test",
            QS_HOME=str(settings.home),
            QS_SECRET_KEY=str(settings.secret_key),
            QS_DATABASE_URL=str(settings.database.url),
            QS_REDIS_URL=str(settings.redis.url),
            QS_CLOCK__SWEEP_EVERY="1s",
        )
    )


@pytest.fixture
def api(environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    port_file = tmp_path / "port"
    command = [sys.executable, "-P", "-m", "qs", "api", "--port", "0", "--port-file", str(port_file)]
    with ending(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)) as process:
        wait_until(lambda: port_file.exists() or process.poll() is not None, "it listens")
        yield f"http://127.0.0.1:{int(port_file.read_text())}"
        process.terminate()
        process.wait(60)


@contextmanager
def internal_clock(environment: dict[str, str]) -> Iterator[None]:
    command = [sys.executable, "-P", "-m", "qs", "worker", "--roles", "cron,relay"]
    with ending(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)) as process:
        yield
        assert process.poll() is None
        process.terminate()
        process.wait(60)


async def make_client(settings: Settings) -> tuple[str, str]:
    """The credentials of a platform account."""
    container = build_container(settings)
    try:
        made = await container.service_account_administration().create(
            PLATFORM_TENANT, "crontab", sorted(ROLES["service"]), actor="test"
        )
        return made.account.client_id, made.client_secret
    finally:
        await close(container)


async def make_due(settings: Settings, tasks: int) -> None:
    container = build_container(settings)
    truth = await asyncpg.connect(settings.database.url)
    try:
        clinic = Clinic(container, truth)
        for _ in range(tasks):
            await clinic.task(await clinic.testee())
    finally:
        await truth.close()
        await close(container)


async def opened(settings: Settings) -> tuple[int, int]:
    """Tasks that are opened, and how often that was announced."""
    connection = await asyncpg.connect(settings.database.url)
    try:
        tasks = await connection.fetchval("SELECT count(*) FROM task WHERE status = 'opened'")
        return tasks, await connection.fetchval("SELECT count(*) FROM outbox WHERE name = 'TaskOpened'")
    finally:
        await connection.close()


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """What the installer makes of an empty host, with all lines due every minute."""
    if os.geteuid() != 0 or not shutil.which("cron") or not shutil.which("unshare"):
        pytest.skip("this needs root, cron and unshare")
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("no mount namespaces are allowed here")
    root = tmp_path / "host"
    root.mkdir()
    environment = {"PATH": os.environ["PATH"], "DESTDIR": str(root)}
    subprocess.run(["bash", str(KIT / "install.sh")], env=environment, check=True, stdout=subprocess.DEVNULL)
    lines = root / "etc/cron.d/qs-scheduler"
    lines.write_text(re.sub(r"(?m)^\S+ \S+ \* \* \* root", "* * * * * root", lines.read_text()))
    (root / "spool").mkdir(mode=0o1730)
    (root / "crontab").write_text("")
    return root


@pytest.fixture
def places() -> Iterator[None]:
    """Somewhere to mount on; what was not there before is taken away again."""
    wanted = [Path("/etc/qs-server"), Path("/var/log/qs-scheduler")]
    made = [place for place in wanted if not place.exists()]
    for place in made:
        place.mkdir()
    yield
    for place in made:
        place.rmdir()


@contextmanager
def cron_daemon(host: Path) -> Iterator[None]:
    command = ["unshare", "--mount", "--propagation", "private", "bash", "-c", PRIVATE, "_", str(host)]
    process = subprocess.Popen(command)
    try:
        yield
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_the_lines_fire_and_the_internal_clock_does_no_harm(
    settings: Settings, environment: dict[str, str], api: str, host: Path, places: None
) -> None:
    client_id, client_secret = asyncio.run(make_client(settings))
    asyncio.run(make_due(settings, tasks=5))
    file = host / "etc/qs-server/scheduler.env"
    file.write_text(f"API_BASE_URL='{api}'\nCLIENT_ID='{client_id}'\nCLIENT_SECRET='{client_secret}'\n")
    logs = host / "var/log/qs-scheduler"

    def fired(name: str) -> int:
        log = logs / f"{name}.log"
        return log.read_text().count(": ok, status 200") if log.exists() else 0

    with cron_daemon(host):
        wait_until(lambda: all(map(fired, LOGS)), "every line fires", within=200)
        assert "opened=5" in (logs / "schedule-tasks.log").read_text()

        with internal_clock(environment):
            asyncio.run(make_due(settings, tasks=5))
            before = {name: fired(name) for name in LOGS}
            wait_until(
                lambda: all(fired(name) > before[name] for name in LOGS), "every line fires again", within=200
            )

    # Whichever of the two clocks came first, every task was opened once.
    assert asyncio.run(opened(settings)) == (10, 10)
    told = "".join(path.read_text() for path in logs.iterdir())
    assert "FAILED" not in told
    assert client_secret not in told
    assert (host / "etc/qs-server/internal-token").stat().st_mode & 0o777 == 0o600
