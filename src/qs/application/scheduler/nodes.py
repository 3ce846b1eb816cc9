"""Shows the machinery: the processes that work, what waits in the queues, and how far behind the clock is."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from qs.application.kernel.unit_of_work import UnitOfWork
from qs.domain.scheduler.errors import NodeAbsent

RECENT = timedelta(hours=24)
# Beyond it a count is no longer exact and says so, so that no page reads a whole history.
MOST_COUNTED = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A role at work in a process. Instants are the database's own time.

    ``is_alive``: it gave a sign of life in the last 30 s. ``held`` counts the executions that its process works on.
    """

    id: str
    role: str
    host: str
    started_at: datetime
    seen_at: datetime
    is_alive: bool
    draining: bool
    clock_offset_ms: int | None
    held: int

    @property
    def process(self) -> str:
        """``host:pid``, which the roles of one process share."""
        return process_of(self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """What of a tenant's executions is in one queue; ``done``, ``failed`` and ``other`` are those of the last 24 hours."""

    name: str
    waiting: int = 0
    running: int = 0
    retrying: int = 0
    done: int = 0
    failed: int = 0
    other: int = 0


@dataclass(frozen=True, slots=True)
class Queues:
    """All queues of a tenant that hold or lately held something; ``at_least``: there was more than was counted."""

    states: Sequence[QueueState]
    at_least: bool


@dataclass(frozen=True, slots=True)
class Lag:
    """Since when the longest due job, and the execution that waits longest, could have begun; None where nothing could."""

    now: datetime
    job_due_at: datetime | None
    execution_available_at: datetime | None

    def seconds(self, *, firing: bool) -> float:
        """For how long the oldest of them has been waiting; while the clock stands still no job is due."""
        due = [self.execution_available_at, self.job_due_at if firing else None]
        waiting = [self.now - at for at in due if at is not None]
        return round(max([*waiting, timedelta(0)]).total_seconds(), 3)


def process_of(worker: str) -> str:
    """``host:pid`` of a heartbeat's ``role@host:pid:random`` and of an execution holder's ``host:pid:random``."""
    return worker.rpartition("@")[2].rpartition(":")[0]


def held_by(nodes: Iterable[Node]) -> int:
    """How many executions they work on; each role of a process tells of all that the process holds."""
    return sum({node.process: node.held for node in nodes}.values())


class NodeBook(Protocol):
    """The processes of the installation, whoever they work for."""

    async def nodes(self) -> Sequence[Node]:
        """By role and id."""
        ...


class NodeRepository(Protocol):
    async def drain(self, node_id: str) -> bool:
        """Asks the node to begin nothing more; False when there is none of that id."""
        ...


class QueueCounts(Protocol):
    async def queues(self, since: timedelta, most: int) -> Queues:
        """Of the tenant, by name; at most ``most`` active and ``most`` ended executions are looked at."""
        ...

    async def lag(self) -> Lag: ...


class NodeUnitOfWork(UnitOfWork, Protocol):
    nodes: NodeRepository
    queues: QueueCounts


NodeUnitOfWorkFactory = Callable[[UUID], AbstractAsyncContextManager[NodeUnitOfWork]]


class NodeReading:
    """What operators may see of the machinery."""

    def __init__(self, book: NodeBook, unit_of_work: NodeUnitOfWorkFactory) -> None:
        self._book = book
        self._unit_of_work = unit_of_work

    async def nodes(self) -> Sequence[Node]:
        return await self._book.nodes()

    async def queues(self, tenant_id: UUID) -> Queues:
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.queues.queues(RECENT, MOST_COUNTED)

    async def lag(self, tenant_id: UUID) -> Lag:
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.queues.lag()


class NodeDraining:
    """Asks nodes to finish what they hold and to begin nothing more; whoever runs them heeds it."""

    def __init__(self, unit_of_work: NodeUnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    async def drain(self, tenant_id: UUID, node_id: str, *, actor: str) -> None:
        """Raises NodeAbsent. ``tenant_id`` is whose audit log tells of it."""
        async with self._unit_of_work(tenant_id) as uow:
            if not await uow.nodes.drain(node_id):
                raise NodeAbsent
            await uow.audit.add("node.drain", "node", None, actor=actor, detail={"node": node_id})
            await uow.commit("node.drain")
