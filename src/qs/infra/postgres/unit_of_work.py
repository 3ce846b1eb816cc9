"""The unit of work on one PostgreSQL connection."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import groupby
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.application.kernel import tracing
from qs.application.kernel.errors import RowRefused
from qs.application.kernel.idempotency import joins_commit
from qs.application.kernel.request import request_id
from qs.domain.kernel.event import Event, Payload
from qs.infra.postgres.committing import commit
from qs.infra.postgres.ids import new_id
from qs.infra.postgres.inbox import SqlInbox

_ENTER = text("SELECT set_config('qs.tenant_id', :tenant, true), qs_now()")

_ADD_EVENTS = text(
    """
INSERT INTO outbox (id, tenant_id, context, name, subject, partition_key, occurred_at, data, traceparent)
SELECT id, :tenant, :context, :name, :kind || '/' || subject_id, partition_key, :at, data::json, :traceparent
FROM unnest(CAST(:ids AS uuid[]), CAST(:subjects AS uuid[]), CAST(:keys AS uuid[]), CAST(:data AS text[]))
     WITH ORDINALITY AS e(id, subject_id, partition_key, data, n)
ORDER BY n
"""
)

_ADD_AUDIT = text(
    """
INSERT INTO audit (id, tenant_id, business_at, actor, action, object_kind, object_id, request_id, detail)
VALUES (:id, :tenant, :business_at, :actor, :action, :object_kind, :object_id, :request_id, CAST(:detail AS jsonb))
"""
)

_encode = msgspec.json.Encoder().encode

# SQLSTATE classes (PostgreSQL manual, appendix A): data exception, constraint violation, raised by a function.
_ABOUT_A_ROW = frozenset({"22", "23", "P0"})


class Outbox:
    """Records events in the transaction that made them true; each gets its id (UUIDv7) here."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def add(self, events: Iterable[Event]) -> None:
        # Neighbours of one kind and instant go in one statement; arrays of what differs are what costs.
        for (payload, at), alike in groupby(
            events, key=lambda event: (type(event.payload), event.occurred_at)
        ):
            await self._add(payload, at, list(alike))

    async def _add(self, payload: type[Payload], at: datetime, events: list[Event]) -> None:
        await self._connection.execute(
            _ADD_EVENTS,
            {
                "tenant": self._tenant_id,
                "context": payload.context,
                "name": payload.name,
                "kind": payload.subject_kind,
                "at": at,
                "ids": [new_id() for _ in events],
                "subjects": [event.subject_id for event in events],
                "keys": [event.partition_key for event in events],
                "data": [_encode(event.payload).decode() for event in events],
                "traceparent": tracing.traceparent(),
            },
        )


class AuditLog:
    """Appends audit rows in the transaction of the change they tell of."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID, now: datetime) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._now = now

    async def add(
        self,
        action: str,
        object_kind: str,
        object_id: UUID | None,
        *,
        actor: str,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        await self._connection.execute(
            _ADD_AUDIT,
            {
                "id": new_id(),
                "tenant": self._tenant_id,
                "business_at": self._now,
                "actor": actor,
                "action": action,
                "object_kind": object_kind,
                "object_id": object_id,
                "request_id": request_id.get(),
                "detail": _encode(detail or {}).decode(),
            },
        )


class SqlUnitOfWork:
    """A transaction as the application role that sees only ``tenant_id``'s rows.

    Contexts subclass it and bind their repositories in ``bind``.
    """

    connection: AsyncConnection
    now: datetime
    events: Outbox
    audit: AuditLog
    inbox: SqlInbox

    def __init__(self, engine: AsyncEngine, tenant_id: UUID) -> None:
        self._engine = engine
        self.tenant_id = tenant_id

    async def __aenter__(self) -> Self:
        self.connection = await self._engine.connect()
        try:
            _, self.now = (await self.connection.execute(_ENTER, {"tenant": str(self.tenant_id)})).one()
        except BaseException:
            await self.connection.close()
            raise
        self.events = Outbox(self.connection, self.tenant_id)
        self.audit = AuditLog(self.connection, self.tenant_id, self.now)
        self.inbox = SqlInbox(self.connection, self.tenant_id)
        self.bind(self.connection)
        return self

    def bind(self, connection: AsyncConnection) -> None:
        """Makes the context's repositories on the open connection."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing without a commit rolls back.
        await self.connection.close()

    async def commit(self, at: str) -> None:
        if (join := joins_commit.get()) is not None:
            await join(self.connection, self.tenant_id)
        await commit(self.connection, at)

    async def rollback(self) -> None:
        """Gives up what was done so far; the unit cannot be used afterwards."""
        await self.connection.rollback()

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A part of the transaction that is undone alone when the database refuses one of its rows.

        Raises:
            RowRefused: a constraint, a value or a trigger said no. Everything else, such as a lost connection
                or a deadlock, ends the transaction as ever.
        """
        try:
            async with self.connection.begin_nested():
                yield
        except DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None) or ""
            if state[:2] not in _ABOUT_A_ROW:
                raise
            raise RowRefused(state) from error
