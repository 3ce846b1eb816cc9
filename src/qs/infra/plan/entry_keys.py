"""Which key the entry links of open tasks hang on."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.infra.postgres.unit_of_work import SqlUnitOfWork

# Of a task whose link was issued again only the last one opens it.
_COUNT = text(
    "SELECT entry_keys[cardinality(entry_keys)], count(*) FROM task"
    " WHERE tenant_id = :tenant AND status = 'opened' AND cardinality(entry_keys) > 0 GROUP BY 1"
)


class SqlEntryKeys:
    name = "entry links of open tasks"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def count(self, tenant_id: UUID) -> Mapping[str, int]:
        """How many links that still open something were made with which key."""
        async with SqlUnitOfWork(self._engine, tenant_id) as uow:
            rows = await uow.connection.execute(_COUNT, {"tenant": tenant_id})
            return {row[0]: row[1] for row in rows}
