"""The snapshot that statistics are held against: what the plan context recounts, and which events were acted on."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.application.statistics.ports import PlanCount, Traffic
from qs.domain.statistics.calendar import Stretch
from qs.domain.statistics.facts import COUNTED_EVENTS
from qs.domain.statistics.metrics import Counts, Place

ENTER = text("SELECT set_config('qs.tenant_id', :tenant, true), qs_now()")
# All that was published before the cursor is done or dead.
_NOT_DONE = """
FROM outbox o
WHERE o.tenant_id = :tenant AND o.name = ANY(CAST(:names AS text[]))
  AND (o.position IS NULL OR o.position >
       coalesce((SELECT acknowledged_through FROM subscriber_cursor WHERE subscriber = :subscriber), 0))
  AND NOT EXISTS (SELECT FROM inbox i WHERE i.subscriber = :subscriber AND i.event_id = o.id)
"""
_DEAD = """
FROM inbox i JOIN outbox o ON o.id = i.event_id
WHERE i.tenant_id = :tenant AND i.subscriber = :subscriber AND i.state = 'dead' AND o.tenant_id = :tenant
"""
_UNACKNOWLEDGED = text(f"SELECT o.id {_NOT_DONE} UNION ALL SELECT o.id {_DEAD}")
_RECENT = text(
    f"""
SELECT o.id, o.name, o.occurred_at, o.data::text, false AS dead {_NOT_DONE}
UNION ALL SELECT o.id, o.name, o.occurred_at, o.data::text, true {_DEAD}
UNION ALL
SELECT o.id, o.name, o.occurred_at, o.data::text, false
FROM inbox i JOIN outbox o ON o.id = i.event_id
WHERE i.tenant_id = :tenant AND i.subscriber = :subscriber AND i.state = 'done' AND i.handled_at >= :since
  AND o.tenant_id = :tenant AND o.name = ANY(CAST(:names AS text[]))
"""  # noqa: S608 - constants
)


class Recount(Protocol):
    """What the plan context counts in a given transaction."""

    async def first_instant(self) -> datetime | None: ...

    def figures(
        self, starts: Sequence[datetime], days: Sequence[date | None]
    ) -> AsyncGenerator[Sequence[tuple[str, str, date, Mapping[str, int]]], None]: ...

    async def write(self, table: str, starts: Sequence[datetime], days: Sequence[date | None]) -> int: ...

    async def plans(
        self, after: UUID | None, limit: int
    ) -> list[tuple[UUID, dict[str, int], list[dict[str, int]]]]: ...


RecountFactory = Callable[[AsyncConnection, UUID], Recount]


class SqlTruth:
    now: datetime

    def __init__(self, connection: AsyncConnection, tenant_id: UUID, recount: Recount, now: datetime) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._recount = recount
        self.now = now

    async def first_instant(self) -> datetime | None:
        return await self._recount.first_instant()

    async def figures(self, stretches: Sequence[Stretch]) -> AsyncGenerator[dict[Place, Counts], None]:
        if not stretches:
            return
        # Whoever does not read to the end gives the cursor back with the rest.
        async with aclosing(self._recount.figures(*bounds(stretches))) as portions:
            async for portion in portions:
                yield {Place(dimension, key, day): counts for dimension, key, day, counts in portion}

    async def write(self, table: str, stretches: Sequence[Stretch]) -> int:
        """Writes the same into a table; returns how many places there are."""
        return await self._recount.write(table, *bounds(stretches)) if stretches else 0

    async def unacknowledged(self, subscriber: str, batch: int) -> AsyncIterator[Sequence[UUID]]:
        given = {"tenant": self._tenant_id, "subscriber": subscriber, "names": list(COUNTED_EVENTS)}
        ids = list(await self._connection.scalars(_UNACKNOWLEDGED, given))
        for start in range(0, len(ids), batch):
            yield ids[start : start + batch]

    async def recent(self, subscriber: str, since: datetime) -> Sequence[Traffic]:
        given = {"tenant": self._tenant_id, "subscriber": subscriber, "names": list(COUNTED_EVENTS)}
        rows = await self._connection.execute(_RECENT, given | {"since": since})
        return [Traffic(*row) for row in rows.all()]

    async def plans(self, after: UUID | None, limit: int) -> Sequence[PlanCount]:
        return [PlanCount(*each) for each in await self._recount.plans(after, limit)]


def bounds(stretches: Sequence[Stretch]) -> tuple[list[datetime], list[date | None]]:
    """Where stretches begin, and the date of each, with none for what lies between them; the last only ends."""
    starts: list[datetime] = []
    days: list[date | None] = []
    for stretch in stretches:
        if starts and starts[-1] == stretch.start:
            days[-1] = stretch.day
        else:
            starts.append(stretch.start)
            days.append(stretch.day)
        starts.append(stretch.end)
        days.append(None)
    return starts, days


class SqlTruths:
    """Opens a snapshot of one tenant, in which time stands still."""

    def __init__(self, engine: AsyncEngine, recount: RecountFactory) -> None:
        self._engine = engine
        self._recount = recount

    @asynccontextmanager
    async def __call__(self, tenant_id: UUID) -> AsyncIterator[SqlTruth]:
        async with self._engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            _, now = (await connection.execute(ENTER, {"tenant": str(tenant_id)})).one()
            yield SqlTruth(connection, tenant_id, self._recount(connection, tenant_id), now)
