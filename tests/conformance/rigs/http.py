"""The HTTP executor and a web server that does what the path says."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from qs.infra.http.guarded import GuardedClient
from qs.infra.scheduler.executors.http import HttpExecutor
from qs.infra.scheduler.executors.secrets import SettingsSecrets
from tests.conformance.rigs.rig import GREETING, SECRET, SECRET_NAME, Rig, output_of


class _Server:
    def __init__(self) -> None:
        self.hanging = 0
        self.port = 0
        self._talks: set[asyncio.Task[None]] = set()

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def end(self) -> None:
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._answer(reader, writer)
        finally:
            self._talks.discard(talk)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().rstrip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        kept = dict(line.split(": ", 1) for line in lines)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        path = first.split()[1].partition("?")[0]
        if path == "/hang":
            self.hanging += 1
            try:
                # Ends when the caller hangs up.
                await reader.read()
            finally:
                self.hanging -= 1
            return
        status = {"/fail": 503, "/gone": 410}.get(path, 200)
        content = GREETING
        if path == "/tell":
            content = json.dumps({"headers": kept, "body": body.decode()}).encode()
        if path == "/echo":
            content = first.encode() + b"\n" + "\n".join(lines).encode() + b"\n" + body
        writer.write(
            b"HTTP/1.1 %d Told\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(content))
        )
        writer.write(content)
        await writer.drain()


@asynccontextmanager
async def rig(_tmp_path: Path) -> AsyncIterator[Rig]:
    server = _Server()
    listening = await server.start()
    client = GuardedClient(["127.0.0.0/8"], keep_alive=False)
    executor = HttpExecutor(client, SettingsSecrets({SECRET_NAME: SECRET}, {}))
    base = f"http://127.0.0.1:{server.port}"

    def told(attempt: Any) -> dict[str, Any]:
        heard = json.loads(output_of(attempt).data.partition(b"\n")[2])
        headers = {name.lower(): value for name, value in heard["headers"].items()}
        return {
            "execution_id": headers["x-qs-execution-id"],
            "job_id": headers["x-qs-job-id"],
            "job_name": headers["x-qs-job-name"],
            "scheduled_at": headers.get("x-qs-scheduled-at"),
            "attempt": headers["x-qs-attempt"],
            "idempotency_key": headers["idempotency-key"],
            "traceparent": headers.get("traceparent"),
            "payload": json.loads(heard["body"]),
        }

    async def running() -> int:
        return server.hanging

    try:
        yield Rig(
            executor=executor,
            succeeding={"url": f"{base}/"},
            failing={"url": f"{base}/fail"},
            failing_for_good={"url": f"{base}/gone"},
            hanging={"url": f"{base}/hang"},
            telling={"url": f"{base}/tell"},
            told=told,
            running=running,
            wrong=[
                ({}, "/url"),
                ({"url": 5}, "/url"),
                ({"url": "ftp://example.org/"}, "/url"),
                ({"url": base, "method": "BREW"}, "/method"),
                ({"url": base, "success": "6xx"}, "/success"),
                ({"url": base, "headers": {"a/b": "x"}}, "/headers/a~1b"),
                ({"url": base, "shell": "rm -rf /"}, "/shell"),
            ],
            secretive={
                "url": f"{base}/echo?token=secret://{SECRET_NAME}",
                "headers": {"Authorization": f"Bearer secret://{SECRET_NAME}"},
                "body": {"password": f"secret://{SECRET_NAME}"},
            },
            lacking={"url": f"{base}/echo?token=secret://nobody"},
        )
    finally:
        await executor.aclose()
        await client.aclose()
        listening.close()
        await server.end()
