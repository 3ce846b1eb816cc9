"""How the tasks of a tenant stand at a moment: what coordinators look at in the morning."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

SOON = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class TaskStanding:
    """``due`` tasks wait for the next sweep, the oldest since ``oldest_due_at``; of ``opened`` ones ``closing`` run out soon."""

    now: datetime
    due: int
    oldest_due_at: datetime | None
    opened: int
    closing: int


class TaskStandings(Protocol):
    async def of(self, tenant_id: UUID) -> TaskStanding:
        """At the tenant's business time; each number up to ``COUNTED_TO``."""
        ...
