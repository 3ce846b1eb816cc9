"""A builtin that does what its payload says."""

import asyncio
from collections.abc import Mapping
from typing import Any

from qs.application.scheduler.builtins import BuiltinContext, CodeSchedule


class Obeying:
    """Payload: ``break`` stands at a breakpoint, ``raise`` fails, ``hang`` never ends."""

    name = "hello_job"
    schedule: CodeSchedule | None = None

    async def execute(self, context: BuiltinContext, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
        print("printed", flush=True)
        context.log.info("told", attempt=context.attempt)
        if "break" in payload:
            breakpoint()
        if "raise" in payload:
            raise RuntimeError
        if "hang" in payload:
            await asyncio.Event().wait()
        return {"given": dict(payload)}
