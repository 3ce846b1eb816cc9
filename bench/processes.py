"""Processes that take part: workers of qs, and servers under uvicorn."""

import asyncio
import socket
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_READY_WITHIN_S = 120.0
# Longer than any of ours, or any peer, takes to end in good order.
_ENDS_WITHIN_S = 40.0


@asynccontextmanager
async def worker(role: str, environment: Mapping[str, str]) -> AsyncIterator[None]:
    """A worker of this role, as ``qs worker`` starts it."""
    async with running(worker_command(role), environment):
        yield


def worker_command(role: str) -> list[str]:
    return [sys.executable, "-m", "workers", role]


@asynccontextmanager
async def served(application: str, environment: Mapping[str, str]) -> AsyncIterator[int]:
    """An ASGI application in one process of uvicorn, with the options of ``qs api``; gives its port."""
    async with serving(application, environment) as (_, port):
        yield port


@asynccontextmanager
async def serving(application: str, environment: Mapping[str, str]) -> AsyncIterator[tuple[int, int]]:
    """The same; gives the process' id and its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = [sys.executable, "-m", "bench.serve", application, str(listener.fileno())]
        async with running(command, environment, listener.fileno()) as process:
            await _answers(port)
            yield process.pid, port


async def told(
    module: str, environment: Mapping[str, str], *arguments: str, python: str = sys.executable
) -> bytes:
    """What this module of ours prints when it runs in a process of its own.

    Raises:
        RuntimeError: it failed.
    """
    process = await asyncio.create_subprocess_exec(
        *(python, "-m", module, *arguments),
        cwd=_ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"{module} ended with {process.returncode}")
    return output


@asynccontextmanager
async def running(
    command: Sequence[str], environment: Mapping[str, str], *fds: int, log: Path | None = None
) -> AsyncIterator[Process]:
    """A process that runs while the block does, in the directory that holds ``bench``; ``log`` takes what it says.

    Raises:
        RuntimeError: it ended before the block did.
    """
    with ExitStack() as files:
        said = files.enter_context(log.open("ab")) if log is not None else subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=_ROOT,
            env=environment,
            pass_fds=fds,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    try:
        yield process
        if process.returncode is not None:
            raise RuntimeError(f"{' '.join(command[1:])} ended early, with {process.returncode}{_tail(log)}")
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _ENDS_WITHIN_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def _tail(log: Path | None) -> str:
    return "" if log is None else f": {log.read_text(encoding='utf-8', errors='replace')[-1000:]}"


async def _answers(port: int) -> None:
    """Returns once the server has answered anything; the port itself is open before."""
    async with asyncio.timeout(_READY_WITHIN_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /health/alive HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")
        await reader.read()
        writer.close()
