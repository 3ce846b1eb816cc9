"""Processes, queues and the lag of the clock in PostgreSQL."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.application.scheduler.nodes import Lag, Node, Queues, QueueState, process_of
from qs.domain.scheduler.job_execution import FAILED_ENDS, RunStatus
from qs.infra.postgres.roles import SWEEPER
from qs.infra.postgres.unit_of_work import SqlUnitOfWork

_NODES = text(
    """
SELECT worker, role, host, started_at, seen_at, draining, clock_offset_ms,
       seen_at > clock_timestamp() - interval '30 seconds' AS is_alive
FROM worker_heartbeat ORDER BY role, worker LIMIT 1000"""
)
_HELD = text(
    "SELECT worker, count(*) AS held FROM job_execution WHERE status = 'running' AND NOT awaited GROUP BY worker"
)
_DRAIN = text("UPDATE worker_heartbeat SET draining = true WHERE worker = :worker")
_ACTIVE = text(
    """
SELECT queue, status, count(*) AS number FROM (
    SELECT queue, status FROM job_execution
    WHERE tenant_id = :tenant AND status IN ('queued', 'running', 'retrying') LIMIT :most
) AS active GROUP BY queue, status"""
)
# Ids are UUIDv7, so that the executions of the last hours are the end of the primary key and no more is read.
_RECENT = text(
    """
SELECT queue, status, count(*) AS number FROM (
    SELECT queue, status FROM job_execution
    WHERE tenant_id = :tenant AND id >= CAST(:first AS uuid) ORDER BY id DESC LIMIT :most
) AS recent GROUP BY queue, status"""
)
_NOW = text("SELECT clock_timestamp()")
_LAG = text(
    """
SELECT clock_timestamp() AS now,
    (SELECT min(next_fire_at) FROM job WHERE tenant_id = :tenant AND next_fire_at <= statement_timestamp()) AS job_due_at,
    (SELECT min(available_at) FROM job_execution
     WHERE tenant_id = :tenant AND status IN ('queued', 'retrying') AND available_at <= statement_timestamp())
    AS execution_available_at"""
)

_FIELDS = {
    RunStatus.QUEUED: "waiting",
    RunStatus.RUNNING: "running",
    RunStatus.RETRYING: "retrying",
    RunStatus.SUCCEEDED: "done",
    **dict.fromkeys(FAILED_ENDS, "failed"),
}


class SqlNodeBook:
    """Implements NodeBook as the sweeper role, which sees who works on how much, and nothing more."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def nodes(self) -> Sequence[Node]:
        async with self._engine.connect() as connection:
            await connection.execute(text(f"SET LOCAL ROLE {SWEEPER}"))
            rows = list(await connection.execute(_NODES))
            held: Counter[str] = Counter()
            for row in await connection.execute(_HELD):
                held[process_of(row.worker or "")] += row.held
        return [
            Node(
                id=row.worker,
                role=row.role,
                host=row.host,
                started_at=row.started_at,
                seen_at=row.seen_at,
                is_alive=row.is_alive,
                draining=row.draining,
                clock_offset_ms=row.clock_offset_ms,
                held=held[process_of(row.worker)],
            )
            for row in rows
        ]


class SqlNodes:
    """Implements NodeRepository on an open connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def drain(self, node_id: str) -> bool:
        return (await self._connection.execute(_DRAIN, {"worker": node_id})).rowcount == 1


class SqlQueueCounts:
    """Implements QueueCounts on an open connection."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def queues(self, since: timedelta, most: int) -> Queues:
        now = await self._connection.scalar(_NOW)
        values: dict[str, Any] = {"tenant": self._tenant_id, "most": most}
        active = list(await self._connection.execute(_ACTIVE, values))
        recent = list(
            await self._connection.execute(_RECENT, values | {"first": _first_id(now - since)}),
        )
        counts: dict[str, Counter[str]] = {}
        # What is active counts however old it is, and not a second time where it is recent as well.
        ended = [row for row in recent if RunStatus(row.status).is_terminal]
        for row in (*active, *ended):
            counts.setdefault(row.queue, Counter())[_FIELDS.get(RunStatus(row.status), "other")] += row.number
        at_least = any(sum(row.number for row in rows) >= most for rows in (active, recent))
        return Queues([QueueState(name=name, **counts[name]) for name in sorted(counts)], at_least)

    async def lag(self) -> Lag:
        row = (await self._connection.execute(_LAG, {"tenant": self._tenant_id})).one()
        return Lag(row.now, row.job_due_at, row.execution_available_at)


class SqlNodeUnitOfWork(SqlUnitOfWork):
    """A transaction that sees the nodes and one tenant's queues."""

    nodes: SqlNodes
    queues: SqlQueueCounts

    def bind(self, connection: AsyncConnection) -> None:
        self.nodes = SqlNodes(connection)
        self.queues = SqlQueueCounts(connection, self.tenant_id)


class NodeUnitsOfWork:
    """Makes a unit of work of the nodes for a tenant; the factory that services are given."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    def __call__(self, tenant_id: UUID) -> SqlNodeUnitOfWork:
        return SqlNodeUnitOfWork(self._engine, tenant_id)


def _first_id(at: Any) -> UUID:
    return UUID(int=int(at.timestamp() * 1000) << 80)
