"""Processes of a test: started for a while, looked at from outside, and waited for."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil

PATIENCE_S = 60.0

P = TypeVar("P", bound="subprocess.Popen[Any]")


@asynccontextmanager
async def running(*command: object, **options: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process for the length of the block; ``options`` are those of ``asyncio.create_subprocess_exec``.

    However the block is left, the process has ended and nothing of it is open, so that a test that fails does not
    take the next one down with it.
    """
    process = await asyncio.create_subprocess_exec(*map(str, command), **options)
    try:
        yield process
    finally:
        await end(process)


async def end(process: asyncio.subprocess.Process) -> None:
    """Kills the process if it has not ended yet, and closes what is left of it."""
    kill(process)
    # Reads what nobody has read, too: its pipes are not closed before.
    await process.communicate()


def kill(process: asyncio.subprocess.Process) -> None:
    """Kills the process, which may have ended by now.

    ``Process.kill`` would take the exit code of one that just has from the event loop, which then makes up a 255.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


@contextmanager
def ending(process: P) -> Iterator[P]:
    """The process, which has ended when the block is left, however that is."""
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def wait_until(condition: Callable[[], object], what: str, within: float = PATIENCE_S) -> None:
    """Returns once the condition holds; fails with ``what`` when it does not in time."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"within {within:g} s not: {what}"
        time.sleep(0.02)


def marked(mark: str) -> list[psutil.Process]:
    """Every living process whose environment holds this mark, whoever its parent is by now."""
    return list(_marked(mark))


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            environment = Path(f"/proc/{process.pid}/environ").read_bytes()
            if mark.encode() in environment and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except (OSError, psutil.NoSuchProcess):
            continue


def clean_environment(**variables: str) -> Mapping[str, str]:
    """This process's environment without any setting of qs but the ones given and the servers' programs."""
    kept = ("QS_PG_BIN", "QS_REDIS_BIN")
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("QS_") or name in kept
    }
    return inherited | variables
