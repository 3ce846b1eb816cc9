"""Alerts of one tenant in PostgreSQL. Every instant is business time."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.application.notification.alert_ports import AlertFilter, AlertPosition, Key
from qs.domain.notification.alerts import AT_MOST_EVERY, Alert, AlertKind

_COLUMNS = (
    "tenant_id, id, kind, subject, cause, facts::text AS facts, count, untold, announced, messages, first_seen_at,"
    " last_seen_at, last_told_at, recovered_at"
)
# A process that stops in the middle of it would make every other one of this tenant wait; the server ends its transaction.
_LOCK = text(
    "SELECT set_config('idle_in_transaction_session_timeout', '5s', true),"
    " pg_advisory_xact_lock(hashtextextended('qs alerts ' || CAST(:tenant AS text), 0))"
)
_FIND = text(
    f"""
SELECT {_COLUMNS} FROM staff_alert
WHERE tenant_id = :tenant AND (recovered_at IS NULL OR NOT :only_open)
  AND (kind, subject) IN (SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:subjects AS text[])))"""  # noqa: S608 - constants
)
_SAVE = text(
    """
INSERT INTO staff_alert (tenant_id, id, kind, subject, cause, facts, count, untold, announced, messages, first_seen_at,
                         last_seen_at, last_told_at, recovered_at)
SELECT :tenant, a.id, a.kind, a.subject, a.cause, a.facts::jsonb, a.count, a.untold, a.announced, a.messages,
       a.first_seen_at, a.last_seen_at, a.last_told_at, a.recovered_at
FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[]), CAST(:subjects AS text[]), CAST(:causes AS text[]),
            CAST(:facts AS text[]), CAST(:counts AS integer[]), CAST(:untold AS integer[]),
            CAST(:announced AS boolean[]), CAST(:messages AS integer[]), CAST(:first_seen AS timestamptz[]),
            CAST(:last_seen AS timestamptz[]), CAST(:last_told AS timestamptz[]), CAST(:recovered AS timestamptz[]))
     AS a(id, kind, subject, cause, facts, count, untold, announced, messages, first_seen_at, last_seen_at,
          last_told_at, recovered_at)
ON CONFLICT (tenant_id, id) DO UPDATE
SET cause = excluded.cause, facts = excluded.facts, count = excluded.count, untold = excluded.untold,
    announced = excluded.announced, messages = excluded.messages, first_seen_at = excluded.first_seen_at,
    last_seen_at = excluded.last_seen_at, last_told_at = excluded.last_told_at, recovered_at = excluded.recovered_at"""
)
IS_DUE = (
    "((recovered_at IS NULL AND untold > 0 AND (last_told_at IS NULL OR last_told_at <= qs_now() - CAST(:every AS interval)))"
    " OR (recovered_at IS NOT NULL AND announced))"
)
"""That there is something to tell of an alert; what ``Alert.is_due`` says."""
_DUE = text(
    f"""
SELECT {_COLUMNS} FROM staff_alert WHERE tenant_id = :tenant AND {IS_DUE}
ORDER BY first_seen_at, id LIMIT :limit"""  # noqa: S608 - constants
)
_TOLD_AT = text("SELECT told_at FROM staff_alert_pace WHERE tenant_id = :tenant")
_REMEMBER = text(
    "INSERT INTO staff_alert_pace (tenant_id, told_at) VALUES (:tenant, CAST(:told_at AS timestamptz[]))"
    " ON CONFLICT (tenant_id) DO UPDATE SET told_at = excluded.told_at"
)
_LIST = text(
    f"""
SELECT {_COLUMNS} FROM staff_alert
WHERE tenant_id = :tenant AND (CAST(:kind AS text) IS NULL OR kind = :kind)
  AND (CAST(:is_open AS boolean) IS NULL OR (recovered_at IS NULL) = :is_open)
  AND (CAST(:at AS timestamptz) IS NULL OR (last_seen_at, id) < (:at, CAST(:id AS uuid)))
ORDER BY last_seen_at DESC, id DESC LIMIT :limit"""  # noqa: S608 - constants
)

_encode = msgspec.json.Encoder().encode
_facts = msgspec.json.Decoder(dict[str, str]).decode


class SqlAlertBook:
    """Implements AlertBook on an open connection."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def lock(self) -> None:
        await self._connection.execute(_LOCK, {"tenant": str(self._tenant_id)})

    async def find(self, keys: Collection[Key], *, only_open: bool = False) -> Sequence[Alert]:
        rows = await self._connection.execute(
            _FIND,
            {
                "tenant": self._tenant_id,
                "only_open": only_open,
                "kinds": [kind.value for kind, _ in keys],
                "subjects": [subject for _, subject in keys],
            },
        )
        return [_alert(row) for row in rows]

    async def save(self, alerts: Sequence[Alert]) -> None:
        if not alerts:
            return
        await self._connection.execute(
            _SAVE,
            {
                "tenant": self._tenant_id,
                "ids": [each.id for each in alerts],
                "kinds": [each.kind.value for each in alerts],
                "subjects": [each.subject for each in alerts],
                "causes": [each.cause for each in alerts],
                "facts": [_encode(each.facts).decode() for each in alerts],
                "counts": [each.count for each in alerts],
                "untold": [each.untold for each in alerts],
                "announced": [each.announced for each in alerts],
                "messages": [each.messages for each in alerts],
                "first_seen": [each.first_seen_at for each in alerts],
                "last_seen": [each.last_seen_at for each in alerts],
                "last_told": [each.last_told_at for each in alerts],
                "recovered": [each.recovered_at for each in alerts],
            },
        )

    async def due(self, limit: int) -> Sequence[Alert]:
        rows = await self._connection.execute(
            _DUE, {"tenant": self._tenant_id, "every": AT_MOST_EVERY, "limit": limit}
        )
        return [_alert(row) for row in rows]

    async def told_at(self) -> Sequence[datetime]:
        return await self._connection.scalar(_TOLD_AT, {"tenant": self._tenant_id}) or []

    async def remember(self, told_at: Sequence[datetime]) -> None:
        await self._connection.execute(_REMEMBER, {"tenant": self._tenant_id, "told_at": list(told_at)})

    async def list(self, which: AlertFilter, after: AlertPosition | None, limit: int) -> Sequence[Alert]:
        rows = await self._connection.execute(
            _LIST,
            {
                "tenant": self._tenant_id,
                "kind": which.kind and which.kind.value,
                "is_open": which.is_open,
                "at": after and after.last_seen_at,
                "id": after and after.id,
                "limit": limit,
            },
        )
        return [_alert(row) for row in rows]


def _alert(row: Row[Any]) -> Alert:
    read = dict(row._mapping)
    return Alert(**read | {"kind": AlertKind(row.kind), "facts": _facts(row.facts)})
