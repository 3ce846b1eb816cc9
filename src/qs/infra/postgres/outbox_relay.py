"""The relay's side of the outbox in PostgreSQL."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.application.kernel.cloud_events import PublishedEvent
from qs.infra.postgres.committing import commit
from qs.infra.postgres.published_events import COLUMNS, to_events

# A process that is frozen while it has the turn loses its session, and with it the turn. Sequential scans are
# never right here, and a table that was not analysed yet must not talk the planner into one.
_BEGIN = text(
    "SELECT set_config('role', 'qs_relay', true), set_config('idle_in_transaction_session_timeout', '15s', true),"
    " set_config('enable_seqscan', 'off', true)"
)
_HAS_WORK = text(
    "SELECT (SELECT assigned_through > published_through FROM relay_cursor)"
    " OR EXISTS (SELECT FROM outbox WHERE position IS NULL)"
)
_TURN = text("SELECT assigned_through, published_through FROM relay_cursor FOR UPDATE SKIP LOCKED")
_WAITING = text(
    f"SELECT {COLUMNS} FROM outbox o"  # noqa: S608 - a constant
    " WHERE o.position > :after AND o.position <= :through ORDER BY o.position LIMIT :limit"
)
_ASSIGN = text(
    f"""
WITH next AS MATERIALIZED (
    SELECT id, row_number() OVER (ORDER BY ordinal) AS n
    FROM (SELECT id, ordinal FROM outbox WHERE position IS NULL ORDER BY ordinal LIMIT :limit) AS unpublished
), o AS (
    UPDATE outbox SET position = :base + next.n, published_at = clock_timestamp(), publications = 1
    FROM next WHERE outbox.id = next.id
    RETURNING outbox.*
)
SELECT {COLUMNS} FROM o ORDER BY o.position
"""  # noqa: S608 - a constant
)
_COMMIT = text("UPDATE relay_cursor SET assigned_through = :assigned, published_through = :published")


class SqlRelayTurn:
    """A transaction that holds the cursor's row lock."""

    def __init__(
        self, connection: AsyncConnection, assigned: int, published: int, held: list[PublishedEvent]
    ) -> None:
        self._connection = connection
        self._assigned = assigned
        self._published = published
        # What this process assigned last; usually it is exactly what waits, and need not be read again.
        self._held = held
        self.held_after_commit: list[PublishedEvent] = []

    async def waiting(self, limit: int) -> Sequence[PublishedEvent]:
        if self._assigned == self._published:
            return []
        held = self._held
        if held and held[0].position == self._published + 1 and held[-1].position == self._assigned:
            return held[:limit]
        rows = await self._connection.execute(
            _WAITING, {"after": self._published, "through": self._assigned, "limit": limit}
        )
        return to_events(rows)

    def published(self, through: int) -> None:
        self._published = through

    async def assign(self, limit: int) -> int:
        rows = await self._connection.execute(_ASSIGN, {"base": self._assigned, "limit": limit})
        events = to_events(rows)
        self._assigned += len(events)
        self.held_after_commit = events
        return len(events)

    async def commit(self, at: str) -> None:
        await self._connection.execute(_COMMIT, {"assigned": self._assigned, "published": self._published})
        await commit(self._connection, at)


class SqlRelayOutbox:
    """The outbox across all tenants, as qs_relay."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._held: list[PublishedEvent] = []

    async def has_work(self) -> bool:
        async with self._engine.connect() as connection:
            await connection.execute(_BEGIN)
            return bool(await connection.scalar(_HAS_WORK))

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[SqlRelayTurn | None]:
        async with self._engine.connect() as connection:
            await connection.execute(_BEGIN)
            cursor = (await connection.execute(_TURN)).one_or_none()
            if cursor is None:
                yield None
                return
            turn = SqlRelayTurn(connection, cursor.assigned_through, cursor.published_through, self._held)
            self._held = []
            yield turn
            self._held = turn.held_after_commit
