"""Where the installation is in trouble, across tenants, as the sweeper role: counts, names and instants."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.notification.alert_ports import Found, Standing
from qs.domain.notification.alerts import AT_MOST_EVERY, STAFF_ALERT, WATCHED, AlertKind, Trouble
from qs.infra.notification.alerts import IS_DUE
from qs.infra.postgres.roles import SWEEPER

_AS_SWEEPER = text(f"SET LOCAL ROLE {SWEEPER}")
# Held while one process looks; of one that stops meanwhile the server ends the transaction, and so the lock.
_ALONE = text(
    "SELECT pg_try_advisory_xact_lock(hashtextextended('qs looks for trouble', 0))"
    " FROM set_config('idle_in_transaction_session_timeout', '30s', true)"
)
_STANDING = text(
    "SELECT tenant_id, kind, subject, cause FROM staff_alert WHERE recovered_at IS NULL AND kind = ANY(:kinds)"
)
_DUE_TENANTS = text(f"SELECT DISTINCT tenant_id FROM staff_alert WHERE {IS_DUE}")  # noqa: S608 - constants
# A message about an alert that dies must not become the next alert.
_DEAD_NOTIFICATIONS = text(
    f"""
SELECT tenant_id, channel AS subject, max(settled_at)::text AS cause, count(*) AS number FROM delivery
WHERE status = 'dead' AND event_name <> '{STAFF_ALERT}' GROUP BY tenant_id, channel"""  # noqa: S608 - constants
)
_DEAD_EVENTS = text(
    """
SELECT tenant_id, subscriber AS subject, max(handled_at)::text AS cause, count(*) AS number FROM inbox
WHERE state = 'dead' GROUP BY tenant_id, subscriber"""
)


class SqlAlertOverview:
    """Implements AlertOverview."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Standing | None]:
        async with self._engine.connect() as connection:
            await connection.execute(_AS_SWEEPER)
            if not await connection.scalar(_ALONE):
                yield None
                return
            rows = await connection.execute(_STANDING, {"kinds": [kind.value for kind in WATCHED]})
            yield {(row.tenant_id, AlertKind(row.kind), row.subject): row.cause for row in rows}


class SqlDueAlerts:
    """Implements DueAlerts."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def tenants(self) -> Sequence[UUID]:
        async with self._engine.connect() as connection:
            await connection.execute(_AS_SWEEPER)
            return list(await connection.scalars(_DUE_TENANTS, {"every": AT_MOST_EVERY}))


class SqlDeadLetters:
    """An alert source: what was given up, by what it was given up by."""

    def __init__(self, engine: AsyncEngine, kind: AlertKind, statement: TextClause) -> None:
        self._engine = engine
        self._kind = kind
        self._statement = statement

    @classmethod
    def of_notifications(cls, engine: AsyncEngine) -> "SqlDeadLetters":
        return cls(engine, AlertKind.NOTIFICATIONS_DEAD, _DEAD_NOTIFICATIONS)

    @classmethod
    def of_events(cls, engine: AsyncEngine) -> "SqlDeadLetters":
        return cls(engine, AlertKind.EVENTS_DEAD, _DEAD_EVENTS)

    async def look(self) -> Sequence[Found]:
        async with self._engine.connect() as connection:
            await connection.execute(_AS_SWEEPER)
            rows = await connection.execute(self._statement)
            return [
                Found(row.tenant_id, Trouble(self._kind, row.subject, row.cause or "", row.number, {}))
                for row in rows
            ]
