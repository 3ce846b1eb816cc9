"""One tenant's audit log: pages of records, and the places of the chain."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.application.kernel.audit_reading import AuditEntry, AuditFilter, AuditPage, Pending, Place
from qs.domain.kernel.audit_chain import GENESIS, Seal
from qs.infra.postgres.audit_records import COLUMNS, to_record
from qs.infra.postgres.unit_of_work import SqlUnitOfWork

# What is looked at follows an index, whatever is asked for; how much fits is another matter.
_PAGE = text(
    f"""
WITH looked_at AS MATERIALIZED (
    SELECT * FROM audit
    WHERE tenant_id = :tenant AND id >= :lowest AND id <= :highest AND (CAST(:before AS uuid) IS NULL OR id < :before)
      AND (CAST(:subject AS uuid) IS NULL OR object_id = :subject)
    ORDER BY id DESC LIMIT :most
), fitting AS (
    SELECT * FROM looked_at
    WHERE (CAST(:action AS text) IS NULL OR action = :action) AND (CAST(:actor AS text) IS NULL OR actor = :actor)
      AND (CAST(:since AS timestamptz) IS NULL OR at >= :since)
      AND (CAST(:until AS timestamptz) IS NULL OR at < :until)
    ORDER BY id DESC LIMIT :size
), extent AS (
    SELECT count(*) AS looked, min(id::text) AS last FROM looked_at
)
SELECT {COLUMNS}, s.position, s.version, s.sealed_at, s.hash, p.hash AS prev, e.looked, e.last
FROM extent e LEFT JOIN fitting a ON true
LEFT JOIN audit_seal s ON s.audit_id = a.id AND s.tenant_id = :tenant
LEFT JOIN audit_seal p ON p.tenant_id = :tenant AND p.position = s.position - 1
ORDER BY a.id DESC
"""  # noqa: S608 - a constant
)
_PLACES = text(
    f"SELECT s.position, s.version, s.sealed_at, s.hash, s.audit_id, {COLUMNS}"  # noqa: S608 - a constant
    " FROM audit_seal s LEFT JOIN audit a ON a.id = s.audit_id AND a.tenant_id = s.tenant_id"
    " WHERE s.tenant_id = :tenant AND s.position > :after ORDER BY s.position LIMIT :limit"
)
# Not by what waits to be sealed, since whoever takes a record out of that must be found out.
_WITHOUT_A_PLACE = "FROM audit a WHERE a.tenant_id = :tenant AND NOT EXISTS (SELECT FROM audit_seal s WHERE s.audit_id = a.id)"
_PENDING = text(
    f"""
SELECT (SELECT count(*) {_WITHOUT_A_PLACE}) AS number, o.id, o.at,
       (SELECT w.id FROM audit_unsealed w WHERE w.tenant_id = :tenant
          AND NOT EXISTS (SELECT FROM audit a WHERE a.id = w.id) LIMIT 1) AS lost
FROM (VALUES (1)) AS one
LEFT JOIN LATERAL (SELECT a.id, a.at {_WITHOUT_A_PLACE}
                     AND a.at < clock_timestamp() - CAST(:older_than AS interval) ORDER BY a.at LIMIT 1) AS o ON true
"""  # noqa: S608 - constants
)
# Ids tell the time by the clock of their writer, which may be wrong by some of this.
_SKEW_MS = 86_400_000
_MOST_MS = 2**48 - 1


class SqlAuditBook:
    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def page(self, which: AuditFilter, before: UUID | None, size: int, most: int) -> AuditPage:
        if (which.action, which.actor, which.since, which.until) == (None, None, None, None):
            # Whatever is looked at fits.
            most = size + 1
        lowest, highest = _ids_between(which.since, which.until)
        parameters = {
            "tenant": self._tenant_id,
            "lowest": lowest,
            "highest": highest,
            "before": before,
            "subject": which.subject_id,
            "action": which.action,
            "actor": which.actor,
            "since": which.since,
            "until": which.until,
            "size": size + 1,
            "most": most,
        }
        rows = (await self._connection.execute(_PAGE, parameters)).all()
        found = [row for row in rows if row.id is not None]
        if len(found) > size:
            return AuditPage([_entry(row) for row in found[:size]], found[size - 1].id)
        is_cut = rows[0].looked == most
        return AuditPage([_entry(row) for row in found], UUID(rows[0].last) if is_cut else None)

    async def places(self, after: int, limit: int) -> Sequence[Place]:
        rows = await self._connection.execute(
            _PLACES, {"tenant": self._tenant_id, "after": after, "limit": limit}
        )
        return [
            Place(
                row.position,
                row.version,
                row.sealed_at,
                row.hash,
                row.audit_id,
                None if row.id is None else to_record(row),
            )
            for row in rows.all()
        ]

    async def pending(self, older_than: timedelta) -> Pending:
        parameters = {"tenant": self._tenant_id, "older_than": older_than}
        row = (await self._connection.execute(_PENDING, parameters)).one()
        return Pending(row.number, None if row.id is None else (row.id, row.at), row.lost)


class SqlAuditUnitOfWork(SqlUnitOfWork):
    book: SqlAuditBook

    def bind(self, connection: AsyncConnection) -> None:
        self.book = SqlAuditBook(connection, self.tenant_id)


def _entry(row: Row[Any]) -> AuditEntry:
    if row.position is None:
        return AuditEntry(to_record(row), None, None)
    prev = GENESIS if row.position == 1 else (row.prev or b"")
    return AuditEntry(to_record(row), Seal(row.version, row.position, prev, row.sealed_at), row.hash)


def _ids_between(since: datetime | None, until: datetime | None) -> tuple[UUID, UUID]:
    """The first and the last id (UUIDv7) that something written between the two can have."""
    first = 0 if since is None else min(max(_milliseconds(since) - _SKEW_MS, 0), _MOST_MS)
    last = _MOST_MS if until is None else min(max(_milliseconds(until) + _SKEW_MS, 0), _MOST_MS)
    return UUID(int=first << 80), UUID(int=((last + 1) << 80) - 1)


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
