"""The outbox as it is read for a message broker: by position, behind a cursor."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.application.kernel.cloud_events import PublishedEvent
from qs.application.kernel.forwarding import SUBSCRIBER
from qs.infra.postgres.committing import commit
from qs.infra.postgres.published_events import COLUMNS, to_events

# As for the relay: who is frozen while it has the turn loses it, and sequential scans are never right here.
_BEGIN = text(
    "SELECT set_config('role', 'qs_relay', true), set_config('idle_in_transaction_session_timeout', '15s', true),"
    " set_config('enable_seqscan', 'off', true)"
)
_HAS_WORK = text(
    "SELECT r.assigned_through > coalesce((SELECT acknowledged_through FROM subscriber_cursor"
    " WHERE subscriber = :subscriber), 0) FROM relay_cursor r"
)
_REGISTER = text("INSERT INTO subscriber_cursor (subscriber) VALUES (:subscriber) ON CONFLICT DO NOTHING")
_TURN = text(
    "SELECT s.acknowledged_through, r.assigned_through FROM subscriber_cursor s, relay_cursor r"
    " WHERE s.subscriber = :subscriber FOR UPDATE OF s SKIP LOCKED"
)
_WAITING = text(
    f"SELECT {COLUMNS} FROM outbox o"  # noqa: S608 - a constant
    " WHERE o.position > :after AND o.position <= :through ORDER BY o.position LIMIT :limit"
)
_ADVANCE = text("UPDATE subscriber_cursor SET acknowledged_through = :through WHERE subscriber = :subscriber")


class SqlForwardingTurn:
    """A transaction that holds the row lock of the cursor."""

    def __init__(self, connection: AsyncConnection, forwarded: int, assigned: int) -> None:
        self._connection = connection
        self._forwarded = forwarded
        self.assigned = assigned

    async def waiting(self, limit: int) -> Sequence[PublishedEvent]:
        between = {"after": self._forwarded, "through": self.assigned}
        return to_events(await self._connection.execute(_WAITING, {**between, "limit": limit}))

    async def forwarded(self, through: int) -> None:
        await self._connection.execute(_ADVANCE, {"through": through, "subscriber": SUBSCRIBER})

    async def commit(self, at: str) -> None:
        await commit(self._connection, at)


class SqlForwardingOutbox:
    """The outbox across all tenants, as qs_relay; a new installation starts with the oldest event it still keeps."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def has_work(self) -> bool:
        async with self._engine.connect() as connection:
            await connection.execute(_BEGIN)
            return bool(await connection.scalar(_HAS_WORK, {"subscriber": SUBSCRIBER}))

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[SqlForwardingTurn | None]:
        async with self._engine.connect() as connection:
            await connection.execute(_BEGIN)
            await connection.execute(_REGISTER, {"subscriber": SUBSCRIBER})
            cursor = (await connection.execute(_TURN, {"subscriber": SUBSCRIBER})).one_or_none()
            yield None if cursor is None else SqlForwardingTurn(connection, *cursor)
