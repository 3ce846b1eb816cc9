"""The smallest job there is: it says hello, so that one can see that everything around it works."""

from collections.abc import Mapping
from typing import Any

from qs.application.scheduler.builtins import BuiltinContext, CodeSchedule


class HelloJob:
    """Payload: ``name`` (whom to greet, ``world`` if left out)."""

    name = "hello_job"
    schedule: CodeSchedule | None = None

    async def execute(self, context: BuiltinContext, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
        greeting = f"hello, {str(payload.get('name', 'world'))[:100]}"
        context.log.info("hello", greeting=greeting, attempt=context.attempt)
        return {"greeting": greeting}
