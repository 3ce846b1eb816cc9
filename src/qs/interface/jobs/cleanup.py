"""Deletes what has been kept long enough, as the duty ``retention`` does."""

from collections.abc import Mapping
from typing import Any, Protocol

from qs.application.scheduler.builtins import BuiltinContext, CodeSchedule


class Retaining(Protocol):
    async def run(self) -> Mapping[str, Any]: ...


class CleanupJob:
    """It takes no payload: how long things are kept is a setting."""

    name = "cleanup_job"
    schedule: CodeSchedule | None = None

    def __init__(self, retention: Retaining) -> None:
        self._retention = retention

    async def execute(self, context: BuiltinContext, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
        deleted = await self._retention.run()
        context.log.info("cleaned_up", **deleted)
        return deleted
