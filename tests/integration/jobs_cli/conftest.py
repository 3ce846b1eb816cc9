import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import structlog
from typer.testing import CliRunner, Result

from qs.interface.cli.main import root
from qs.settings import Settings
from tests.support.processes import clean_environment, ending

from .working import WorkerThread

Qs = Callable[..., Result]
Answer = Callable[..., Any]
Write = Callable[..., Path]
Rows = Callable[..., list[Any]]
Process = Callable[..., AbstractContextManager["subprocess.Popen[bytes]"]]


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """What a process of this installation finds set."""
    return {
        "QS_ENV": "test",
        "QS_HOME": str(settings.home),
        "QS_SECRET_KEY": settings.secret_key or "",
        "QS_DATABASE_URL": settings.database.url or "",
        "QS_REDIS_URL": settings.redis.url or "",
    }


@pytest.fixture
def qs(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Qs]:
    """Calls the command in this process, which takes a tenth of the time that a process of its own does."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    level, handlers = logging.root.level, list(logging.root.handlers)

    def call(*arguments: object, stdin: str | None = None) -> Result:
        return CliRunner().invoke(root, [str(each) for each in arguments], input=stdin)

    yield call
    logging.captureWarnings(False)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def answer(qs: Qs) -> Answer:
    """What a verb that succeeds answers by --json."""

    def ask(*arguments: object, stdin: str | None = None, code: int = 0) -> Any:
        done = qs(*arguments, "--json", stdin=stdin)
        assert done.exit_code == code, done.stderr
        return json.loads(done.stdout)

    return ask


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file."""

    def write(content: str, name: str = "jobs.yaml") -> Path:
        file = tmp_path / name
        file.write_text(content, encoding="utf-8")
        return file

    return write


@pytest.fixture
def rows(database_url: str) -> Rows:
    """The rows of a statement, run as the superuser."""

    async def fetch(statement: str, values: tuple[object, ...]) -> list[Any]:
        connection = await asyncpg.connect(database_url)
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    return lambda statement, *values: asyncio.run(fetch(statement, values))


@pytest.fixture
def process(environment: Mapping[str, str], tmp_path: Path) -> Process:
    """A process of its own: `qs` with these arguments, or Python when they begin with -c."""

    def start(*arguments: str) -> AbstractContextManager["subprocess.Popen[bytes]"]:
        command = arguments if arguments[0] == "-c" else ("-m", "qs", *arguments)
        return ending(
            subprocess.Popen(
                [sys.executable, "-P", *command],
                cwd=tmp_path,
                env=clean_environment(**environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # What a reader of lines took ahead would be lost to communicate().
                bufsize=0,
            )
        )

    return start


@pytest.fixture
def worker(database_url: str) -> Iterator[WorkerThread]:
    """A worker that takes whatever waits, and a clock process that rescues what is lost."""
    with WorkerThread(database_url) as worker:
        yield worker


@pytest.fixture
def job(answer: Answer) -> Callable[..., Any]:
    """Creates a job that only people run."""

    def create(name: str = "tidy", *options: object) -> Any:
        return answer(
            "job", "create", name, "cron", "0 0 1 1 *", "--target", '{"builtin": "hello_job"}', *options
        )

    return create
