"""How the scheduler stands: whose clocks fire, who works, what waits and for how long."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from qs.application.scheduler.job_ports import JobUnitOfWorkFactory
from qs.domain.kernel.ids import PLATFORM_TENANT


@dataclass(frozen=True, slots=True)
class Switch:
    """Whether a clock fires, and since when; None if it was never turned."""

    firing: bool
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A role in one process; ``alive`` is that it gave a sign of life within the last beats."""

    worker: str
    role: str
    host: str
    started_at: datetime
    seen_at: datetime
    alive: bool
    draining: bool
    clock_offset_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is active of a tenant's jobs; ``behind`` waits for another run of its job.

    ``oldest`` is how long the longest of those waits that may begin, ``lag`` how long the longest due slot was not
    fired; both None where there is none.
    """

    queued: int
    behind: int
    running: int
    retrying: int
    oldest: timedelta | None
    lag: timedelta | None


@dataclass(frozen=True, slots=True)
class Standing:
    everywhere: Switch
    tenant: Switch
    load: Load
    nodes: Sequence[Node]


class SchedulerState(Protocol):
    async def nodes(self) -> Sequence[Node]:
        """Every role that was seen within a day, by role and host."""
        ...

    async def load(self, tenant_id: UUID) -> Load: ...


class SchedulerWatching:
    """What operators look at first."""

    def __init__(self, unit_of_work: JobUnitOfWorkFactory, state: SchedulerState) -> None:
        self._unit_of_work = unit_of_work
        self._state = state

    async def standing(self, tenant_id: UUID) -> Standing:
        return Standing(
            await self._switch(PLATFORM_TENANT),
            await self._switch(tenant_id),
            await self._state.load(tenant_id),
            await self._state.nodes(),
        )

    async def _switch(self, tenant_id: UUID) -> Switch:
        async with self._unit_of_work(tenant_id) as uow:
            return Switch(*await uow.switch.firing())
