"""One tenant's outbox, read by position."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.application.kernel.cloud_events import PublishedEvent
from qs.application.kernel.feed import Page
from qs.infra.postgres.published_events import COLUMNS, to_events
from qs.infra.postgres.unit_of_work import SqlUnitOfWork

_READ = text(
    f"SELECT {COLUMNS} FROM outbox o WHERE o.tenant_id = :tenant"  # noqa: S608 - a constant
    " AND o.position > :after AND o.position < :before"
    " AND (CAST(:context AS text) IS NULL OR o.context = :context) ORDER BY o.position LIMIT :limit"
)
_NEWEST = text(
    f"SELECT * FROM (SELECT {COLUMNS} FROM outbox o WHERE o.tenant_id = :tenant AND o.position IS NOT NULL"  # noqa: S608
    " AND (CAST(:context AS text) IS NULL OR o.context = :context) ORDER BY o.position DESC LIMIT :limit) AS newest"
    " ORDER BY position"
)
_OF_IDS = text(
    f"SELECT {COLUMNS} FROM outbox o WHERE o.id = ANY(:ids) AND o.tenant_id = :tenant"  # noqa: S608 - a constant
    " AND o.position IS NOT NULL ORDER BY o.position LIMIT :limit"
)
_PUBLISHED_AGAIN = text(
    "UPDATE outbox SET republished_at = clock_timestamp(), publications = publications + 1"
    " WHERE id = ANY(:ids) AND tenant_id = :tenant"
)
_REVIVE = text(
    """
WITH revived AS (
    DELETE FROM inbox
    WHERE subscriber = :subscriber AND tenant_id = :tenant AND state = 'dead'
      AND (CAST(:ids AS uuid[]) IS NULL OR event_id = ANY(:ids))
    RETURNING event_id
)
INSERT INTO inbox_attempt (subscriber, event_id, tenant_id, attempts, next_attempt_at)
SELECT :subscriber, event_id, :tenant, 0, clock_timestamp() FROM revived
ON CONFLICT (subscriber, event_id) DO UPDATE SET attempts = 0, next_attempt_at = excluded.next_attempt_at
"""
)
_LAST_POSITION = 2**63 - 1


class SqlEventLog:
    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def read(self, after: int, limit: int, context: str | None) -> Page:
        events = await self._between(after, _LAST_POSITION, limit, context)
        return Page(events, events[-1].position if events else after)

    async def newest(self, count: int, context: str | None) -> Page:
        parameters = {"tenant": self._tenant_id, "limit": count, "context": context}
        events = to_events(await self._connection.execute(_NEWEST, parameters))
        return Page(events, events[-1].position if events else 0)

    async def replayable(
        self, *, after: int | None, before: int | None, event_ids: Sequence[UUID] | None, limit: int
    ) -> Sequence[PublishedEvent]:
        if event_ids is None:
            return await self._between(after or 0, _LAST_POSITION if before is None else before, limit, None)
        return to_events(
            await self._connection.execute(
                _OF_IDS, {"tenant": self._tenant_id, "ids": list(event_ids), "limit": limit}
            )
        )

    async def published_again(self, event_ids: Sequence[UUID]) -> None:
        await self._connection.execute(_PUBLISHED_AGAIN, {"tenant": self._tenant_id, "ids": list(event_ids)})

    async def revive(self, subscriber: str, event_ids: Sequence[UUID] | None) -> int:
        parameters = {"subscriber": subscriber, "tenant": self._tenant_id}
        ids = None if event_ids is None else list(event_ids)
        return (await self._connection.execute(_REVIVE, {**parameters, "ids": ids})).rowcount

    async def _between(
        self, after: int, before: int, limit: int, context: str | None
    ) -> list[PublishedEvent]:
        parameters = {"tenant": self._tenant_id, "after": after, "before": before}
        return to_events(
            await self._connection.execute(_READ, {**parameters, "limit": limit, "context": context})
        )


class SqlEventLogUnitOfWork(SqlUnitOfWork):
    log: SqlEventLog

    def bind(self, connection: AsyncConnection) -> None:
        self.log = SqlEventLog(connection, self.tenant_id)
