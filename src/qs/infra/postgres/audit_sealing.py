"""Sealing the audit log across all tenants, as qs_relay, which may add to the chain and change nothing."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.application.kernel.audit_sealing import Head, Sealed
from qs.domain.kernel.audit_chain import AuditRecord
from qs.infra.postgres.audit_records import COLUMNS, to_record
from qs.infra.postgres.committing import commit

# A process that is frozen while it has the turn loses its session, and with it the turn. The log grows for ever and
# what waits is little, so that reading all of it is never right.
_BEGIN = text(
    "SELECT set_config('role', 'qs_relay', true), set_config('idle_in_transaction_session_timeout', '15s', true),"
    " set_config('enable_seqscan', 'off', true)"
)
_HAS_WORK = text("SELECT EXISTS (SELECT FROM audit_unsealed)")
# In the order of ids, which is that of writing but for the difference of the writers' clocks.
WAITING = text(
    "SELECT clock_timestamp() - a.at FROM audit_unsealed w JOIN audit a ON a.id = w.id ORDER BY w.id LIMIT 1"
)
# A statement of its own: what is read next must see what the holder before committed.
_TURN = text("SELECT pg_try_advisory_xact_lock(hashtextextended('qs.audit', 0)), clock_timestamp()")
_UNSEALED = text(
    f"SELECT {COLUMNS} FROM (SELECT w.id FROM audit_unsealed w"  # noqa: S608 - a constant
    " WHERE EXISTS (SELECT FROM audit b WHERE b.id = w.id) ORDER BY w.id LIMIT :limit) AS w"
    " JOIN audit a ON a.id = w.id ORDER BY a.tenant_id, a.at, a.id"
)
_HEADS = text(
    "SELECT t.id, s.position, s.hash FROM unnest(CAST(:tenants AS uuid[])) AS t(id), LATERAL"
    " (SELECT position, hash FROM audit_seal WHERE tenant_id = t.id ORDER BY position DESC LIMIT 1) AS s"
)
_SEAL = text(
    """
INSERT INTO audit_seal (tenant_id, position, audit_id, version, sealed_at, hash)
SELECT tenant_id, position, audit_id, version, :at, hash
FROM unnest(CAST(:tenants AS uuid[]), CAST(:positions AS bigint[]), CAST(:ids AS uuid[]), CAST(:versions AS smallint[]),
            CAST(:hashes AS bytea[])) AS s(tenant_id, position, audit_id, version, hash)
"""
)
_DONE = text("DELETE FROM audit_unsealed WHERE id = ANY(:ids)")


class SqlSealingTurn:
    """A transaction that holds the lock of sealing."""

    def __init__(self, connection: AsyncConnection, at: datetime) -> None:
        self._connection = connection
        self.at = at

    async def unsealed(self, limit: int) -> Sequence[AuditRecord]:
        rows = await self._connection.execute(_UNSEALED, {"limit": limit})
        return [to_record(row) for row in rows.all()]

    async def heads(self, tenant_ids: Sequence[UUID]) -> Mapping[UUID, Head]:
        rows = await self._connection.execute(_HEADS, {"tenants": tenant_ids})
        return {row.id: Head(row.position, row.hash) for row in rows.all()}

    async def seal(self, sealed: Sequence[Sealed]) -> None:
        ids = [each.record.id for each in sealed]
        await self._connection.execute(
            _SEAL,
            {
                "at": self.at,
                "tenants": [each.record.tenant_id for each in sealed],
                "positions": [each.seal.position for each in sealed],
                "ids": ids,
                "versions": [each.seal.version for each in sealed],
                "hashes": [each.hash for each in sealed],
            },
        )
        await self._connection.execute(_DONE, {"ids": ids})

    async def commit(self, at: str) -> None:
        await commit(self._connection, at)


class SqlUnsealedAudit:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def has_work(self) -> bool:
        async with self._engine.connect() as connection:
            await connection.execute(_BEGIN)
            return bool(await connection.scalar(_HAS_WORK))

    async def waiting(self) -> timedelta:
        async with self._engine.connect() as connection:
            await connection.execute(_BEGIN)
            return await connection.scalar(WAITING) or timedelta(0)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[SqlSealingTurn | None]:
        async with self._engine.connect() as connection:
            await connection.execute(_BEGIN)
            has_turn, at = (await connection.execute(_TURN)).one()
            yield SqlSealingTurn(connection, at) if has_turn else None
