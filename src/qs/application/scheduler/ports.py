"""What the scheduler context needs from the outside world."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from qs.application.kernel.unit_of_work import UnitOfWork
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.domain.scheduler.execution import Execution, ExecutionStatus


@dataclass(frozen=True, slots=True)
class DutyContext:
    """What the work of a duty is told about the execution it runs in."""

    execution_id: UUID
    tenant_id: UUID
    actor: str
    parameters: Mapping[str, Any]
    scheduled_at: datetime | None
    attempt: int

    @property
    def only_tenant(self) -> UUID | None:
        """The tenant whose rows are meant; None means every tenant's."""
        return None if self.tenant_id == PLATFORM_TENANT else self.tenant_id


Work = Callable[[DutyContext], Awaitable[Mapping[str, Any]]]
"""Does a duty once and returns its result, which must be JSON-able; safe to run at any time, twice, and in parallel."""

DutyRegistry = Mapping[str, Work]
"""What each duty does, by the name of the duty."""


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    name: str | None = None
    status: ExecutionStatus | None = None


@dataclass(frozen=True, slots=True)
class FailingRun:
    """Executions of one duty that failed or were lost for good, one after the other up to now.

    ``error`` is the last one's, None where it was lost.
    """

    last_id: UUID
    error: str | None
    length: int


class ExecutionRepository(Protocol):
    """Executions of the tenant. A writer names the epoch it holds; what it no longer holds it cannot change."""

    async def add(self, execution: Execution, lease: timedelta) -> bool:
        """Returns False, and writes nothing, where another clock-fired execution of the duty is still open."""
        ...

    async def start(self, execution: Execution, lease: timedelta) -> bool:
        """queued → running; False when it is no longer this holder's."""
        ...

    async def extend(self, execution: Execution, lease: timedelta) -> bool:
        """Moves the end of the lease to ``lease`` from now; False when it is no longer this holder's."""
        ...

    async def finish(
        self,
        execution: Execution,
        status: ExecutionStatus,
        *,
        result: Mapping[str, Any] | None = None,
        error: str | None = None,
    ) -> bool:
        """Writes the end once; False when it is no longer this holder's."""
        ...

    async def give_back(self, execution: Execution) -> None:
        """Ends the lease at once, so that the loss is found without waiting for it."""
        ...

    async def lose(self, execution_id: UUID) -> Execution | None:
        """Takes an execution whose lease ran out from its holder, without waiting for anybody.

        None when another took it, it is held again, or somebody is writing to it at this moment.
        """
        ...

    async def retried(self, execution_id: UUID, as_id: UUID) -> None:
        """Says on a lost execution which one took over."""
        ...

    async def open_clock_execution(self, name: str) -> UUID | None:
        """The clock-fired execution of the duty that is not over."""
        ...

    async def get(self, execution_id: UUID) -> Execution | None: ...

    async def list(self, where: ExecutionFilter, *, before: UUID | None, size: int) -> Sequence[Execution]:
        """Newest first, those older than ``before``."""
        ...

    async def latest(self, names: Iterable[str]) -> Mapping[str, Execution]:
        """The newest execution of each name that has one."""
        ...

    async def failing(self, names: Iterable[str]) -> Mapping[str, FailingRun]:
        """Of those names whose last execution by the clock that ended did not succeed: how many in a row."""
        ...


class SlotRepository(Protocol):
    """The slots that were claimed. One row per slot is what makes a slot fire once on however many machines."""

    async def newest(self, names: Iterable[str]) -> Mapping[str, datetime]: ...

    async def claim(self, name: str, scheduled_at: datetime, execution_id: UUID) -> bool:
        """False when the slot is taken already."""
        ...

    async def skip(self, name: str, scheduled_at: datetime, blocking: UUID | None) -> None:
        """Turns a claimed slot into a skipped one that names the execution which was in its way."""
        ...


class SwitchRepository(Protocol):
    """Stops and starts the tenant's clock; the platform's is everybody's."""

    async def firing(self) -> tuple[bool, datetime | None]:
        """Whether the tenant's clock fires, and since when it does or does not; None if it was never switched."""
        ...

    async def stopped_everywhere(self) -> bool:
        """Whether nobody's clock fires because the platform's is stopped."""
        ...

    async def turn(self, firing: bool, actor: str) -> bool:
        """False when it was so already."""
        ...


class SchedulerUnitOfWork(UnitOfWork, Protocol):
    executions: ExecutionRepository
    slots: SlotRepository
    switch: SwitchRepository

    async def system_now(self) -> datetime:
        """The database's own time, which decides what is due."""
        ...

    async def hurry(self) -> None:
        """Lets the database end this transaction if this process stops in the middle of it."""
        ...


SchedulerUnitOfWorkFactory = Callable[[UUID], AbstractAsyncContextManager[SchedulerUnitOfWork]]


class LostExecutions(Protocol):
    """Finds executions of every tenant whose holder gives no sign of life."""

    async def find(self, limit: int) -> Sequence[tuple[UUID, UUID]]:
        """(tenant_id, execution_id), those lost longest first."""
        ...
