"""What carriers report of messages, in the delivery ledger."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.application.notification.report_ports import Place
from qs.domain.notification.delivery import Delivery
from qs.domain.notification.fates import Report
from qs.infra.notification.claiming import delivery_of

# Those that went out together went out under the id of the first, to the same recipient.
_OF_MESSAGE = text(
    """
SELECT d.* FROM delivery d JOIN delivery m ON m.tenant_id = d.tenant_id AND m.recipient = d.recipient
    AND m.channel = d.channel AND (d.id = m.id OR d.digest_id = m.id)
WHERE d.tenant_id = :tenant AND m.tenant_id = :tenant AND m.id = :id
ORDER BY d.id FOR UPDATE OF d
"""
)
# Once only, and within what the ledger keeps of an answer.
_NOTE = text(
    """
UPDATE delivery_attempt a
SET answer = concat_ws('; ', left(a.answer, 298 - length(CAST(:told AS text))), :told),
    outcome = CASE WHEN :lost AND a.outcome = 'sent' THEN 'permanent' ELSE a.outcome END
WHERE a.tenant_id = :tenant AND a.delivery_id = :id AND a.number = coalesce((
        SELECT max(p.number) FROM delivery_attempt p
        WHERE p.tenant_id = :tenant AND p.delivery_id = :id AND p.provider_id = :provider_id), :epoch)
  AND position('; ' || CAST(:told AS text) || ';' IN '; ' || coalesce(a.answer, '') || ';') = 0
RETURNING a.number
"""
)
_LOSE = text(
    """
UPDATE delivery SET status = 'dead', reason = :reason, settled_at = qs_now()
WHERE tenant_id = :tenant AND id = :id AND status = 'sent' AND epoch = :number
"""
)
# As qs_sweeper, across tenants: whoever reports knows of none.
_BY_ID = text(
    "SELECT d.tenant_id, coalesce(d.digest_id, d.id) AS message_id"
    " FROM tenant t JOIN delivery d ON d.tenant_id = t.id AND d.id = :id WHERE d.channel = :channel"
)
_BY_PROVIDER = text(
    """
SELECT DISTINCT d.tenant_id, coalesce(d.digest_id, d.id) AS message_id
FROM delivery_attempt a JOIN delivery d ON d.tenant_id = a.tenant_id AND d.id = a.delivery_id
WHERE a.provider_id = :id AND d.channel = :channel
"""
)


class SqlReceiptBook:
    """Implements ReceiptBook."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def lock_message(self, message_id: UUID) -> Sequence[Delivery]:
        rows = await self._connection.execute(_OF_MESSAGE, {"tenant": self._tenant_id, "id": message_id})
        return [delivery_of(row) for row in rows]

    async def note(self, delivery: Delivery, report: Report, provider_id: str | None) -> bool:
        one = {"tenant": self._tenant_id, "id": delivery.id}
        about = {"told": report.told, "lost": report.lost, "provider_id": provider_id}
        noted = await self._connection.execute(_NOTE, {**one, **about, "epoch": delivery.epoch})
        number = noted.scalar_one_or_none()
        if number is None:
            return False
        if report.lost:
            await self._connection.execute(_LOSE, {**one, "reason": report.fate.value, "number": number})
        return True


class SqlWhereabouts:
    """Implements Whereabouts."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def of_message(self, message_id: UUID, channel: str) -> Place | None:
        return await self._only(_BY_ID, {"id": message_id, "channel": channel})

    async def of_provider_id(self, provider_id: str, channel: str) -> Place | None:
        return await self._only(_BY_PROVIDER, {"id": provider_id, "channel": channel})

    async def _only(self, statement: TextClause, parameters: Mapping[str, Any]) -> Place | None:
        async with self._engine.connect() as connection:
            await connection.execute(text("SET LOCAL ROLE qs_sweeper"))
            rows = (await connection.execute(statement, parameters)).all()
        return Place(rows[0].tenant_id, rows[0].message_id) if len(rows) == 1 else None
