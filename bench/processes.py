"""Processes that take part: workers of qs, and servers under uvicorn."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_READY_WITHIN_S = 30.0


@asynccontextmanager
async def worker(role: str, environment: Mapping[str, str]) -> AsyncIterator[None]:
    """A worker of this role, as ``qs worker`` starts it."""
    async with _running(["-m", "workers", role], environment):
        yield


@asynccontextmanager
async def served(application: str, environment: Mapping[str, str]) -> AsyncIterator[int]:
    """An ASGI application in one process of uvicorn, with the options of ``qs api``; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = ["-m", "bench.serve", application, str(listener.fileno())]
        async with _running(command, environment, listener.fileno()):
            await _answers(port)
            yield port


async def told(module: str, environment: Mapping[str, str], *arguments: str) -> bytes:
    """What this module of ours prints when it runs in a process of its own.

    Raises:
        RuntimeError: it failed.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
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
async def _running(arguments: list[str], environment: Mapping[str, str], *fds: int) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        cwd=_ROOT,
        env=environment,
        pass_fds=fds,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
        if process.returncode is not None:
            raise RuntimeError(f"{' '.join(arguments)} ended early, with {process.returncode}")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _answers(port: int) -> None:
    """Returns once the server has answered anything; the port itself is open before."""
    async with asyncio.timeout(_READY_WITHIN_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /health/alive HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")
        await reader.read()
        writer.close()
