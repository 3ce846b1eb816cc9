"""Executions in PostgreSQL. Every write of a holder names its epoch; every instant is the database's own time."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Text,
    Update,
    bindparam,
    case,
    column,
    func,
    literal,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.application.scheduler.ports import ExecutionFilter, FailingRun
from qs.domain.scheduler.execution import OPEN_STATUSES, Execution, ExecutionStatus, FiredBy
from qs.infra.postgres.roles import SWEEPER
from qs.infra.scheduler.tables import execution as table

_NOW = func.clock_timestamp()
_IS_OPEN = table.c.status.in_(sorted(OPEN_STATUSES))


# A lost execution that another took over is no end. Of a duty that has failed for months no more is counted.
_OF_CLOCK = "name = n.name AND fired_by = 'clock'"
_BAD_END = "(status = 'failed' OR (status = 'lost' AND retried_as IS NULL))"
_FAILING = text(
    f"""
SELECT n.name, newest.id, newest.error, run.length
FROM unnest(CAST(:names AS text[])) AS n(name)
CROSS JOIN LATERAL (
    SELECT id, status, error FROM execution
    WHERE tenant_id = :tenant AND {_OF_CLOCK} AND (status = 'succeeded' OR {_BAD_END}) ORDER BY id DESC LIMIT 1) AS newest
CROSS JOIN LATERAL (
    SELECT count(*) AS length FROM (
        SELECT FROM execution
        WHERE tenant_id = :tenant AND {_OF_CLOCK} AND {_BAD_END} AND id > coalesce(
            (SELECT id FROM execution WHERE tenant_id = :tenant AND {_OF_CLOCK} AND status = 'succeeded'
             ORDER BY id DESC LIMIT 1),
            '00000000-0000-0000-0000-000000000000')
        LIMIT 10000) AS since) AS run
WHERE newest.status <> 'succeeded'"""  # noqa: S608 - constants
)


def _true_status() -> ColumnElement[str]:
    # Whoever reads sees the truth even before a clock process has written it down: without a lease nothing runs.
    return case(
        (_IS_OPEN & (table.c.lease_until < _NOW), literal(ExecutionStatus.LOST.value)), else_=table.c.status
    )


_READ = select(*(c for c in table.c if c.name != "status"), _true_status().label("status"))


def _execution(row: Row[*tuple[Any, ...]]) -> Execution:
    facts = dict(row._mapping)
    return Execution(**facts | {"status": ExecutionStatus(row.status), "fired_by": FiredBy(row.fired_by)})


def _until(lease: timedelta) -> Any:
    return _NOW + bindparam("lease", lease)


class SqlExecutions:
    """Implements ExecutionRepository on an open connection."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def add(self, execution: Execution, lease: timedelta) -> bool:
        running = execution.status is ExecutionStatus.RUNNING
        statement = (
            insert(table)
            .values(
                id=execution.id,
                tenant_id=self._tenant_id,
                name=execution.name,
                fired_by=execution.fired_by,
                scheduled_at=execution.scheduled_at,
                status=execution.status,
                actor=execution.actor,
                parameters=msgspec.to_builtins(execution.parameters),
                detached=execution.detached,
                attempt=execution.attempt,
                worker=execution.worker,
                epoch=execution.epoch,
                lease_until=_until(lease),
                started_at=_NOW if running else None,
            )
            .on_conflict_do_nothing(
                index_elements=["tenant_id", "name"],
                index_where=text("fired_by = 'clock' AND status IN ('queued', 'running')"),
            )
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def start(self, execution: Execution, lease: timedelta) -> bool:
        return await self._changed(
            self._held(execution)
            .where(table.c.status == ExecutionStatus.QUEUED)
            .values(status=ExecutionStatus.RUNNING, started_at=_NOW, lease_until=_until(lease))
        )

    async def extend(self, execution: Execution, lease: timedelta) -> bool:
        return await self._changed(self._held(execution).values(lease_until=_until(lease)))

    async def finish(
        self,
        execution: Execution,
        status: ExecutionStatus,
        *,
        result: Mapping[str, Any] | None = None,
        error: str | None = None,
    ) -> bool:
        return await self._changed(
            self._held(execution).values(
                status=status, result=msgspec.to_builtins(result), error=error, finished_at=_NOW
            )
        )

    async def give_back(self, execution: Execution) -> None:
        await self._connection.execute(self._held(execution).values(lease_until=_NOW))

    async def lose(self, execution_id: UUID) -> Execution | None:
        # A holder may be frozen with the row locked; whoever looks for the lost waits for nobody and looks again.
        free = (
            select(table.c.id)
            .where(self._is(execution_id), _IS_OPEN, table.c.lease_until < _NOW)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        statement = (
            update(table)
            .where(table.c.tenant_id == self._tenant_id, table.c.id == free)
            .values(status=ExecutionStatus.LOST, epoch=table.c.epoch + 1, finished_at=_NOW)
            .returning(*table.c)
        )
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _execution(row)

    async def retried(self, execution_id: UUID, as_id: UUID) -> None:
        await self._connection.execute(update(table).where(self._is(execution_id)).values(retried_as=as_id))

    async def open_clock_execution(self, name: str) -> UUID | None:
        statement = select(table.c.id).where(
            table.c.tenant_id == self._tenant_id,
            table.c.name == name,
            table.c.fired_by == FiredBy.CLOCK,
            _IS_OPEN,
        )
        found: UUID | None = await self._connection.scalar(statement)
        return found

    async def get(self, execution_id: UUID) -> Execution | None:
        row = (await self._connection.execute(_READ.where(self._is(execution_id)))).one_or_none()
        return None if row is None else _execution(row)

    async def list(self, where: ExecutionFilter, *, before: UUID | None, size: int) -> Sequence[Execution]:
        statement = _READ.where(table.c.tenant_id == self._tenant_id)
        if where.name is not None:
            statement = statement.where(table.c.name == where.name)
        if where.status is not None:
            statement = statement.where(_true_status() == where.status)
        if before is not None:
            statement = statement.where(table.c.id < before)
        rows = await self._connection.execute(statement.order_by(table.c.id.desc()).limit(size))
        return [_execution(row) for row in rows]

    async def latest(self, names: Iterable[str]) -> Mapping[str, Execution]:
        wanted = func.unnest(bindparam("names", list(names), ARRAY(Text))).table_valued(
            column("name", Text), name="n"
        )
        # One index probe per name: DISTINCT ON would read a duty's whole history to find its end.
        newest = (
            _READ.where(table.c.tenant_id == self._tenant_id, table.c.name == wanted.c.name)
            .order_by(table.c.id.desc())
            .limit(1)
            .lateral("newest")
        )
        rows = await self._connection.execute(select(newest).select_from(wanted.join(newest, true())))
        return {row.name: _execution(row) for row in rows}

    async def failing(self, names: Iterable[str]) -> Mapping[str, FailingRun]:
        rows = await self._connection.execute(_FAILING, {"tenant": self._tenant_id, "names": list(names)})
        return {row.name: FailingRun(row.id, row.error, row.length) for row in rows}

    def _is(self, execution_id: UUID) -> Any:
        return (table.c.tenant_id == self._tenant_id) & (table.c.id == execution_id)

    def _held(self, execution: Execution) -> Update:
        return update(table).where(self._is(execution.id), table.c.epoch == execution.epoch, _IS_OPEN)

    async def _changed(self, statement: Update) -> bool:
        return (await self._connection.execute(statement)).rowcount == 1


class SqlLostExecutions:
    """Implements LostExecutions as the sweeper role, which sees every tenant's leases and nothing more."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, limit: int) -> Sequence[tuple[UUID, UUID]]:
        statement = (
            select(table.c.tenant_id, table.c.id)
            .where(_IS_OPEN, table.c.lease_until < _NOW)
            .order_by(table.c.lease_until)
            .limit(limit)
        )
        async with self._engine.connect() as connection:
            await connection.execute(text(f"SET LOCAL ROLE {SWEEPER}"))
            rows = await connection.execute(statement)
            return [(row.tenant_id, row.id) for row in rows]
