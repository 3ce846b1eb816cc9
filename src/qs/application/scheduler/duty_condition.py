"""How the duties and the processes that do the work stand at a moment, for those who watch the installation."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class DutyCondition:
    """A duty of the platform over its last hundred executions, whoever asked for them.

    ``succeeded_at`` is when the last that succeeded was begun, None while none did. ``is_failing`` says that the last
    one that ended failed or was lost; ``lost`` counts those whose process gave no sign of life until its lease ran out.
    """

    succeeded_at: datetime | None
    is_failing: bool
    lost: int


@dataclass(frozen=True, slots=True)
class ServiceCondition:
    """``now`` is the database's time, ``duties`` are by name.

    ``workers`` counts, by role, the processes seen within 30 seconds; ``worker_clock_gap`` is how far the clock of the
    machine that disagrees most with the database is from it, in either direction.
    """

    now: datetime
    duties: Mapping[str, DutyCondition]
    workers: Mapping[str, int]
    worker_clock_gap: timedelta


class ServiceConditions(Protocol):
    async def look(self) -> ServiceCondition: ...
