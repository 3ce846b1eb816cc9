"""What subscribers have acted on, kept in PostgreSQL and written in the transaction of the effect."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.application.kernel.cloud_events import PublishedEvent
from qs.application.kernel.subscriptions import Attempt
from qs.infra.postgres.published_events import COLUMNS, to_events

# Rows go in by event id, so that two consumers with overlapping events wait for each other and never in a circle.
_INSERT_DONE = """
INSERT INTO inbox (subscriber, event_id, tenant_id)
SELECT :subscriber, o.id, o.tenant_id FROM outbox o
WHERE o.id = ANY(:ids) AND o.tenant_id = :tenant AND o.position IS NOT NULL {condition}
ORDER BY o.id
ON CONFLICT DO NOTHING
RETURNING event_id
"""
_FRESH = """
  AND o.publications = 1
  AND NOT EXISTS (SELECT FROM inbox_attempt a WHERE a.subscriber = :subscriber AND a.event_id = o.id)
"""
_READ_TAKEN = f"SELECT {COLUMNS} FROM taken JOIN outbox o ON o.id = taken.event_id ORDER BY o.position"  # noqa: S608 - constants
_TAKE = text(f"WITH taken AS ({_INSERT_DONE.format(condition=_FRESH)}) {_READ_TAKEN}")
_TAKE_AGAIN = text(
    f"""
WITH taken AS ({_INSERT_DONE.format(condition="")}),
no_longer_aside AS (
    DELETE FROM inbox_attempt WHERE tenant_id = :tenant AND subscriber = :subscriber AND event_id = ANY(:ids)
)
{_READ_TAKEN}
"""  # noqa: S608 - constants
)
_SET_ASIDE = text(
    """
INSERT INTO inbox_attempt (subscriber, event_id, tenant_id, attempts, next_attempt_at)
SELECT :subscriber, o.id, o.tenant_id, 0, clock_timestamp() FROM outbox o
WHERE o.id = ANY(:ids) AND o.tenant_id = :tenant
  AND NOT EXISTS (SELECT FROM inbox i WHERE i.subscriber = :subscriber AND i.event_id = o.id)
ORDER BY o.id
ON CONFLICT DO NOTHING
"""
)
# Materialised, since a join might run a locking subquery more than once and so claim more than was asked for.
_CLAIM = """
WITH due AS MATERIALIZED (
    SELECT event_id FROM inbox_attempt
    WHERE subscriber = :subscriber AND tenant_id = :tenant AND next_attempt_at <= statement_timestamp()
      AND attempts {which}
    ORDER BY next_attempt_at, event_id LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE inbox_attempt a SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + CAST(:lease AS interval)
FROM due WHERE a.tenant_id = :tenant AND a.subscriber = :subscriber AND a.event_id = due.event_id
RETURNING a.event_id, a.attempts
"""
_CLAIM_UNTRIED = text(_CLAIM.format(which="= 0"))
_CLAIM_TRIED = text(_CLAIM.format(which="> 0"))
_POSTPONE = text(
    "UPDATE inbox_attempt SET last_error = :error, next_attempt_at = clock_timestamp() + CAST(:delay AS interval)"
    " WHERE tenant_id = :tenant AND subscriber = :subscriber AND event_id = ANY(:ids)"
)
_EXCUSE = text(
    "UPDATE inbox_attempt SET attempts = greatest(attempts - 1, 0),"
    " next_attempt_at = clock_timestamp() + CAST(:delay AS interval)"
    " WHERE tenant_id = :tenant AND subscriber = :subscriber AND event_id = ANY(:ids)"
)
_BURY = text(
    """
WITH buried AS (
    DELETE FROM inbox_attempt WHERE tenant_id = :tenant AND subscriber = :subscriber AND event_id = :id
    RETURNING last_error
)
INSERT INTO inbox (subscriber, event_id, tenant_id, state, error)
SELECT :subscriber, :id, :tenant, 'dead',
       coalesce(CAST(:error AS text), (SELECT last_error FROM buried), 'the process ended while handling it')
ON CONFLICT DO NOTHING
"""
)
_TENANTS = text(
    "SELECT DISTINCT tenant_id FROM inbox_attempt"
    " WHERE subscriber = :subscriber AND next_attempt_at <= statement_timestamp()"
)


class SqlInbox:
    """The inbox of one tenant, in the running transaction."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def take(self, subscriber: str, event_ids: Collection[UUID]) -> Sequence[PublishedEvent]:
        return to_events(await self._connection.execute(_TAKE, self._of(subscriber, event_ids)))

    async def take_again(self, subscriber: str, event_ids: Collection[UUID]) -> Sequence[PublishedEvent]:
        return to_events(await self._connection.execute(_TAKE_AGAIN, self._of(subscriber, event_ids)))

    async def set_aside(self, subscriber: str, event_ids: Collection[UUID]) -> None:
        await self._connection.execute(_SET_ASIDE, self._of(subscriber, event_ids))

    async def claim_untried(self, subscriber: str, limit: int, lease: timedelta) -> Sequence[Attempt]:
        rows = await self._connection.execute(
            _CLAIM_UNTRIED,
            {"subscriber": subscriber, "tenant": self._tenant_id, "limit": limit, "lease": lease},
        )
        return [Attempt(*row) for row in rows]

    async def claim_tried(self, subscriber: str, lease: timedelta) -> Attempt | None:
        row = (
            await self._connection.execute(
                _CLAIM_TRIED,
                {"subscriber": subscriber, "tenant": self._tenant_id, "limit": 1, "lease": lease},
            )
        ).one_or_none()
        return None if row is None else Attempt(*row)

    async def postpone(
        self, subscriber: str, event_ids: Collection[UUID], error: str, delay: timedelta
    ) -> None:
        await self._connection.execute(
            _POSTPONE, {**self._of(subscriber, event_ids), "error": error, "delay": delay}
        )

    async def excuse(self, subscriber: str, event_ids: Collection[UUID], delay: timedelta) -> None:
        await self._connection.execute(_EXCUSE, {**self._of(subscriber, event_ids), "delay": delay})

    async def bury(self, subscriber: str, event_id: UUID, error: str | None) -> None:
        await self._connection.execute(
            _BURY, {"subscriber": subscriber, "id": event_id, "tenant": self._tenant_id, "error": error}
        )

    def _of(self, subscriber: str, event_ids: Collection[UUID]) -> dict[str, object]:
        return {"subscriber": subscriber, "ids": list(event_ids), "tenant": self._tenant_id}


class SqlDueAttempts:
    """Finds across tenants, as qs_sweeper, what is due again."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def tenants(self, subscriber: str) -> Sequence[UUID]:
        async with self._engine.connect() as connection:
            await connection.execute(text("SET LOCAL ROLE qs_sweeper"))
            return list(await connection.scalars(_TENANTS, {"subscriber": subscriber}))
