"""The command executor and a list of small programs."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from qs.infra.scheduler.executors.command import CommandExecutor
from qs.infra.scheduler.executors.command_file import read_command_list
from qs.infra.scheduler.executors.secrets import SettingsSecrets
from tests.conformance.rigs.rig import GREETING, SECRET, SECRET_NAME, Rig, output_of

_LIST = """
greet:
  argv: [/bin/echo, "{greeting}"]
fail:
  argv: [/bin/sh, -c, exit 75]
hang:
  argv: [/bin/sh, -c, "sleep 3600 & wait", "{mark}"]
  grace_s: 0.2
tell:
  argv: ["{python}", -I, -S, -c, "import json, os; print(json.dumps(dict(os.environ)))"]
whisper:
  argv: [/bin/sh, -c, 'echo "$PASSWORD"']
  env: {{PASSWORD: secret://{secret}}}
lack:
  argv: [/bin/true]
  env: {{PASSWORD: secret://nobody}}
typed:
  argv: [/bin/echo, "{{{{n}}}}"]
  params: {{n: {{type: integer, required: true}}}}
"""


def _told(attempt: Any) -> dict[str, Any]:
    heard = json.loads(output_of(attempt).data)
    return {
        "execution_id": heard["QS_EXECUTION_ID"],
        "job_id": heard["QS_JOB_ID"],
        "job_name": heard["QS_JOB_NAME"],
        "scheduled_at": heard.get("QS_SCHEDULED_AT"),
        "attempt": heard["QS_ATTEMPT"],
        "idempotency_key": heard["QS_IDEMPOTENCY_KEY"],
        "traceparent": heard.get("TRACEPARENT"),
        "payload": json.loads(heard["QS_PAYLOAD"]),
    }


@asynccontextmanager
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    mark = f"qs-rig-{uuid4()}"
    file = tmp_path / "commands.yaml"
    file.write_text(
        _LIST.replace("{{{{n}}}}", "{n}")
        .replace("{{", "{")
        .replace("}}", "}")
        .replace("{greeting}", GREETING.decode())
        .replace("{python}", sys.executable)
        .replace("{mark}", mark)
        .replace("{secret}", SECRET_NAME)
    )
    file.chmod(0o600)
    listed = read_command_list(file)
    assert listed.refused == {}
    executor = CommandExecutor(listed, SettingsSecrets({SECRET_NAME: SECRET}, {}), work_root=tmp_path)

    async def running() -> int:
        return await asyncio.to_thread(
            lambda: sum(
                mark in (process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])
            )
        )

    try:
        yield Rig(
            executor=executor,
            succeeding={"name": "greet"},
            failing={"name": "fail"},
            failing_for_good={"name": "unlisted"},
            hanging={"name": "hang"},
            telling={"name": "tell"},
            told=_told,
            running=running,
            wrong=[
                ({}, "/name"),
                ({"name": ["sh"]}, "/name"),
                ({"name": "unlisted"}, "/name"),
                ({"name": "typed"}, "/params/n"),
                ({"name": "typed", "params": {"n": "5"}}, "/params/n"),
                ({"name": "greet", "params": {"x/y": 1}}, "/params/x~1y"),
                ({"name": "greet", "argv": ["/bin/sh"]}, "/argv"),
            ],
            secretive={"name": "whisper"},
            lacking={"name": "lack"},
        )
    finally:
        await executor.aclose()
    assert os.listdir(tmp_path) == [file.name]
