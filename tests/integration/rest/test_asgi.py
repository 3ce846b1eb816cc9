"""``uvicorn qs.asgi:app`` works as it is."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from qs.settings import Settings
from tests.support.processes import running
from tests.support.waiting import eventually


@asynccontextmanager
async def uvicorn(
    settings: Settings, directory: Path
) -> AsyncIterator[tuple[httpx.AsyncClient, asyncio.subprocess.Process]]:
    """A server on a socket file, with nothing but the environment to go by; stopped at the end if it still runs."""
    socket = directory / "s"
    assert settings.database.url is not None
    assert settings.redis.url is not None
    assert settings.secret_key is not None
    environment = {
        "PATH": os.environ["PATH"],
        "QS_ENV": "test",
        "QS_HOME": str(directory),
        "QS_DATABASE_URL": settings.database.url,
        "QS_REDIS_URL": settings.redis.url,
        "QS_SECRET_KEY": settings.secret_key,
        "QS_LOG_FORMAT": "json",
    }
    async with running(
        sys.executable, "-m", "uvicorn", "qs.asgi:app", "--uds", socket,
        env=environment, cwd=directory, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    ) as process:  # fmt: skip
        async with httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(socket)), base_url="http://qs.test", timeout=30
        ) as client:

            async def answers() -> bool:
                assert process.returncode is None, (await process.communicate())[0].decode()
                try:
                    return (await client.get("/health/alive")).is_success
                except httpx.TransportError:
                    return False

            await eventually(answers)
            yield client, process


async def test_it_serves_logs_no_query_and_ends_on_sigterm(settings: Settings, tmp_path: Path) -> None:
    async with uvicorn(settings, tmp_path) as (client, process):

        async def ready() -> str | None:
            """What it says of the schema; None while a probe is answered too late for it to be ready."""
            answer = await client.get("/health/ready")
            return answer.json()["data"]["checks"]["migrations"] if answer.is_success else None

        migrations = await eventually(ready)
        head = await client.head("/health/ready")
        await client.get("/nowhere?token=hunter2")

        process.send_signal(signal.SIGTERM)
        output = (await asyncio.wait_for(process.communicate(), 60))[0].decode()

    assert migrations == "ok"
    assert (head.status_code, head.content) == (200, b"")
    assert process.returncode in (0, -signal.SIGTERM)
    assert '"path": "/nowhere"' in output
    assert "hunter2" not in output
    assert "Traceback" not in output


async def test_a_slash_that_is_escaped_reaches_its_route_over_a_real_server(
    settings: Settings, tmp_path: Path
) -> None:
    async with uvicorn(settings, tmp_path) as (client, process):
        named = await client.get("/api/v1/testees/ext:a%2Fb")
        counted = await client.get("/api/v1/statistics/scales/a%2Fb")
        parted = await client.get("/api/v1/testees/ext:a/b")

        process.send_signal(signal.SIGTERM)
        output = (await asyncio.wait_for(process.communicate(), 60))[0].decode()

    # A route asks for a token before anything else; what no route takes is not there.
    assert [each.status_code for each in (named, counted, parted)] == [401, 401, 404]
    assert '"path": "/api/v1/statistics/scales/a/b"' in output
    # What a clinic calls somebody is not for the log.
    assert "ext:a" not in output
    assert "Traceback" not in output


def test_settings_are_read_when_a_server_asks_for_the_application_and_not_before() -> None:
    environment = {"PATH": os.environ["PATH"], "QS_SERVER__NO_SUCH_KEY": "1"}

    def run(code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)

    imported = run("import qs.asgi")
    asked = run("import qs.asgi; qs.asgi.app")

    assert (imported.returncode, imported.stderr) == (0, "")
    assert asked.returncode == 1
    assert "NO_SUCH_KEY" in asked.stderr.upper()
