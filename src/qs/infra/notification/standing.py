"""How the messages of a tenant stand."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel.counting import COUNTED_TO
from qs.application.notification.standing import MessageStanding
from qs.infra.postgres.unit_of_work import SqlUnitOfWork

_STANDING = text(
    """
SELECT (SELECT count(*) FROM (SELECT FROM delivery WHERE tenant_id = :tenant AND status IN ('queued', 'sending')
                              LIMIT :most) AS w) AS waiting,
       (SELECT count(*) FROM (SELECT FROM delivery WHERE tenant_id = :tenant AND status = 'dead'
                              LIMIT :most) AS d) AS dead
"""
)


class SqlMessageStandings:
    """Implements MessageStandings."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def of(self, tenant_id: UUID) -> MessageStanding:
        async with SqlUnitOfWork(self._engine, tenant_id) as uow:
            given = {"tenant": tenant_id, "most": COUNTED_TO}
            row = (await uow.connection.execute(_STANDING, given)).one()
        return MessageStanding(row.waiting, row.dead)
