"""How the jobs of a tenant stand at a moment."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class JobStanding:
    """``failing`` jobs are switched on and have failed since they last succeeded; ``active`` executions wait or run."""

    failing: int
    active: int


class JobStandings(Protocol):
    async def of(self, tenant_id: UUID) -> JobStanding: ...
