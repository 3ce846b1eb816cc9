"""Claimed slots in PostgreSQL."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Text, bindparam, column, func, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.infra.scheduler.tables import slot as table


class SqlSlots:
    """Implements SlotRepository on an open connection."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def newest(self, names: Iterable[str]) -> Mapping[str, datetime]:
        wanted = func.unnest(bindparam("names", list(names), ARRAY(Text))).table_valued(
            column("name", Text), name="n"
        )
        newest = (
            select(table.c.scheduled_at)
            .where(table.c.tenant_id == self._tenant_id, table.c.name == wanted.c.name)
            .order_by(table.c.scheduled_at.desc())
            .limit(1)
            .lateral("newest")
        )
        statement = select(wanted.c.name, newest.c.scheduled_at).select_from(wanted.join(newest, true()))
        return {row.name: row.scheduled_at for row in await self._connection.execute(statement)}

    async def claim(self, name: str, scheduled_at: datetime, execution_id: UUID) -> bool:
        statement = (
            insert(table)
            .values(
                tenant_id=self._tenant_id, name=name, scheduled_at=scheduled_at, execution_id=execution_id
            )
            .on_conflict_do_nothing()
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def skip(self, name: str, scheduled_at: datetime, blocking: UUID | None) -> None:
        statement = update(table).where(
            table.c.tenant_id == self._tenant_id, table.c.name == name, table.c.scheduled_at == scheduled_at
        )
        values: dict[str, object] = {"outcome": "skipped"}
        if blocking is not None:
            values["execution_id"] = blocking
        await self._connection.execute(statement.values(**values))
