"""What the tests of the embedded servers need of the machine: processes, conditions, clients that can be killed."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg
import psutil
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.support.processes import ending

DEADLINE_SECONDS = 60.0
_ROOM_BYTES = 2 * 1024**3
IS_ROOT = os.geteuid() == 0

_HOLD_A_LEASE = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from qs.infra.embedded import ensure, status
lease = ensure(Path(sys.argv[1]), ephemeral=True)
print(json.dumps(asdict(status(Path(sys.argv[1])))), flush=True)
sys.stdin.read()
"""


def scratch() -> str:
    """Memory if there is enough of it to run programs in, since a busy disk makes each of these tests seconds long."""
    memory = "/dev/shm"
    if not os.path.isdir(memory) or os.statvfs(memory).f_flag & os.ST_NOEXEC:
        return "/tmp"
    return memory if shutil.disk_usage(memory).free > _ROOM_BYTES else "/tmp"


def wait_until(condition: Callable[[], object], *, seconds: float = DEADLINE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{condition} was not so within {seconds} s"
        time.sleep(0.01)


def is_gone(pid: int | None) -> bool:
    assert pid is not None
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def processes_with(text: str) -> list[psutil.Process]:
    """The living processes with this text in their arguments."""
    found = psutil.process_iter(["cmdline", "status"])
    return [each for each in found if any(text in argument for argument in each.info["cmdline"] or ())]


def sql(url: str, statement: str) -> Any:
    """The first value the statement gives."""

    async def fetch() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(fetch())


def redis_command(url: str, *command: str) -> Any:
    """What Redis answers, bytes being taken for text."""

    async def execute() -> Any:
        connection = Redis.from_url(url, decode_responses=True)
        try:
            return await connection.execute_command(*command)
        finally:
            await connection.aclose()

    return asyncio.run(execute())


def answer(database_url: str, redis_url: str) -> bool:
    """Whether both servers answer now."""
    try:
        return sql(database_url, "SELECT true") is True and redis_answers(redis_url)
    except (OSError, asyncpg.PostgresError):
        return False


def redis_answers(url: str) -> bool:
    try:
        return redis_command(url, "PING") is True
    except RedisError:
        return False


class Client:
    """Another process that holds a lease until it is told to end, or killed."""

    def __init__(self, home: Path, *, python: str = sys.executable, **options: Any) -> None:
        self.process = subprocess.Popen(
            [python, "-c", _HOLD_A_LEASE, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def status(self) -> dict[str, Any]:
        """What the client found once its lease was given; the client's complaint when it was not."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        found: dict[str, Any] = json.loads(line)
        return found

    def complaint(self) -> str:
        """What the client wrote when it ended without a lease."""
        with ending(self.process):
            stderr: str = self.process.communicate(timeout=DEADLINE_SECONDS)[1]
        return stderr

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ending(self.process):
            self.process.communicate(timeout=DEADLINE_SECONDS)
