"""How the jobs of all tenants stand at a moment, for those who watch the installation."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class JobCondition:
    """``now`` is the database's time; lengths of time are seconds and 0 where nothing is late.

    ``active`` counts executions by (kind, queue, status). ``jobs`` counts by status, with ``disabled`` among them.
    ``due_lag_s`` is how long the job that is due longest has been waiting for a clock, where none is stopped;
    ``waiting_s`` how long the execution that may begin longest has been waiting for a worker.
    """

    now: datetime
    active: Mapping[tuple[str, str, str], int]
    jobs: Mapping[str, int]
    due_lag_s: float
    waiting_s: float
    clock_stopped: bool
    stopped_tenants: int
    notices_pending: int
    notices_dead: int
    notice_lag_s: float


class JobConditions(Protocol):
    async def look(self) -> JobCondition: ...
