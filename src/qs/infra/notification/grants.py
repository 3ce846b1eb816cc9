"""Grants in PostgreSQL."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.domain.notification.granting import Grant
from qs.infra.notification.tables import channel_grant

_ADD = text(
    """
INSERT INTO channel_grant AS g (tenant_id, testee_id, recipient, channel, template, given)
VALUES (:tenant, :testee, :recipient, :channel, :template, :count)
ON CONFLICT (tenant_id, testee_id, recipient, channel, template) DO UPDATE
SET given = LEAST(g.given::bigint + excluded.given, 2147483647), updated_at = clock_timestamp()
RETURNING g.recipient, g.channel, g.template, g.given, g.used
"""
)
_MARK = text(
    """
INSERT INTO channel_grant_use (tenant_id, message_id, testee_id, recipient, channel, template)
SELECT g.tenant_id, :message, g.testee_id, g.recipient, g.channel, g.template FROM channel_grant g
WHERE g.tenant_id = :tenant AND g.testee_id = :testee AND g.recipient = :recipient AND g.channel = :channel
  AND g.template = :template
ON CONFLICT (tenant_id, message_id) DO NOTHING
"""
)
_COUNT = text(
    """
UPDATE channel_grant g SET used = used + 1, updated_at = clock_timestamp()
FROM channel_grant_use u
WHERE u.tenant_id = :tenant AND u.message_id = :message AND g.tenant_id = u.tenant_id AND g.testee_id = u.testee_id
  AND g.recipient = u.recipient AND g.channel = u.channel AND g.template = u.template AND g.used < g.given
RETURNING g.given - g.used
"""
)
_LEFT = text(
    """
SELECT g.given - g.used
FROM channel_grant_use u
JOIN channel_grant g ON g.tenant_id = u.tenant_id AND g.testee_id = u.testee_id AND g.recipient = u.recipient
  AND g.channel = u.channel AND g.template = u.template
WHERE u.tenant_id = :tenant AND u.message_id = :message
"""
)
_GIVE_BACK = text(
    """
WITH returned AS (
    DELETE FROM channel_grant_use WHERE tenant_id = :tenant AND message_id = :message RETURNING *
)
UPDATE channel_grant g SET used = GREATEST(used - 1, 0), updated_at = clock_timestamp()
FROM returned r
WHERE g.tenant_id = :tenant AND g.testee_id = r.testee_id AND g.recipient = r.recipient AND g.channel = r.channel
  AND g.template = r.template
"""
)
_WRITE_OFF = text(
    """
UPDATE channel_grant g SET used = used + LEAST(:left, given - used), updated_at = clock_timestamp()
FROM channel_grant_use u
WHERE u.tenant_id = :tenant AND u.message_id = :message AND g.tenant_id = u.tenant_id AND g.testee_id = u.testee_id
  AND g.recipient = u.recipient AND g.channel = u.channel AND g.template = u.template
"""
)


class SqlGrantBook:
    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def add(self, testee_id: UUID, recipient: str, channel: str, template: str, count: int) -> Grant:
        given = {"testee": testee_id, "recipient": recipient, "channel": channel, "template": template}
        rows = await self._connection.execute(_ADD, {"tenant": self._tenant_id, **given, "count": count})
        return _grant(rows.one())

    async def of_testee(self, testee_id: UUID) -> Sequence[Grant]:
        columns = channel_grant.c
        query = (
            select(columns.recipient, columns.channel, columns.template, columns.given, columns.used)
            .where(columns.tenant_id == self._tenant_id, columns.testee_id == testee_id)
            .order_by(columns.channel, columns.template, columns.recipient)
        )
        return [_grant(row) for row in await self._connection.execute(query)]

    async def take(
        self, message_id: UUID, testee_id: UUID, recipient: str, channel: str, template: str
    ) -> int | None:
        its = {"tenant": self._tenant_id, "message": message_id}
        whose = {"testee": testee_id, "recipient": recipient, "channel": channel, "template": template}
        marked = await self._connection.execute(_MARK, {**its, **whose})
        # None left: the mark goes with the transaction, which the caller does not commit then.
        statement = _COUNT if marked.rowcount else _LEFT
        left: int | None = await self._connection.scalar(statement, its)
        return left

    async def give_back(self, message_id: UUID) -> None:
        await self._connection.execute(_GIVE_BACK, {"tenant": self._tenant_id, "message": message_id})

    async def write_off(self, message_id: UUID, left: int) -> None:
        its = {"tenant": self._tenant_id, "message": message_id}
        await self._connection.execute(_WRITE_OFF, {**its, "left": left})


def _grant(row: Any) -> Grant:
    return Grant(row.recipient, row.channel, row.template, row.given, row.used)
