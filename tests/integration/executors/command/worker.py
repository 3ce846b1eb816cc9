"""A worker in a process of its own, as whatever user and under whatever loop: `worker.py LIST WORK_ROOT`.

Each line of its standard input is an attempt as JSON, each line of its standard output an outcome.
"""

import asyncio
import base64
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import uvloop

from qs.application.scheduler.executors import OutputStream
from qs.infra.scheduler.executors.command import CommandExecutor
from qs.infra.scheduler.executors.command_file import read_command_list
from qs.infra.scheduler.executors.secrets import SettingsSecrets
from tests.conformance.rigs.rig import KeptOutput, an_attempt


class Telling(KeptOutput):
    """An output that sets an event when certain bytes have come."""

    def __init__(self, awaited: str) -> None:
        super().__init__()
        self._awaited = awaited.encode()
        self.came = asyncio.Event()

    async def write(self, data: bytes, stream: OutputStream = OutputStream.LOG) -> None:
        await super().write(data, stream)
        if self._awaited in self.data:
            self.came.set()


async def answer(executor: CommandExecutor, request: dict[str, Any]) -> dict[str, Any]:
    output = Telling(request.get("cancel_on") or "\0")
    attempt = an_attempt(
        request["target"],
        execution_id=UUID(request["execution_id"]),
        timeout=timedelta(seconds=request["timeout"]),
        output=output,
    )
    running = asyncio.create_task(executor.execute(attempt))
    if request.get("cancel_on"):
        coming = asyncio.create_task(output.came.wait())
        await asyncio.wait([coming, running], return_when=asyncio.FIRST_COMPLETED)
        coming.cancel()
        running.cancel()
    try:
        outcome = await running
        told: dict[str, Any] = {
            "status": str(outcome.status),
            "code": outcome.code,
            "error": outcome.error,
            "permanent": outcome.permanent,
            "result": dict(outcome.result),
        }
    except asyncio.CancelledError:
        told = {"status": "let through"}
    for stream in OutputStream:
        told[str(stream)] = base64.b64encode(output.of(stream)[: 1 << 20]).decode()
    return told


async def main(file: str, work_root: str) -> None:
    executor = CommandExecutor(
        read_command_list(Path(file)),
        SettingsSecrets({"password": "hunter22-of-the-list"}, {}),
        work_root=Path(work_root),
    )
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await answer(executor, json.loads(line))), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*sys.argv[1:]))
