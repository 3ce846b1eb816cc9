"""How far behind publication and the subscribers are with the events of one tenant."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel.counting import COUNTED_TO
from qs.application.kernel.event_standing import EventStanding
from qs.application.kernel.subscriptions import Subscription
from qs.infra.postgres.unit_of_work import SqlUnitOfWork

_UNPUBLISHED = text(
    """
SELECT count(*) FROM (
    SELECT FROM outbox o WHERE o.tenant_id = :tenant
      AND (o.position IS NULL OR o.position > (SELECT published_through FROM relay_cursor)) LIMIT :most) AS u
"""
)
_OF_SUBSCRIBER = text(
    """
SELECT
    (SELECT count(*) FROM (
        SELECT FROM outbox o WHERE o.tenant_id = :tenant
          AND (o.position IS NULL
               OR o.position > coalesce((SELECT acknowledged_through FROM subscriber_cursor
                                         WHERE subscriber = :subscriber), 0))
          AND o.context = ANY(:contexts) AND o.name = ANY(:names)
          AND NOT EXISTS (SELECT FROM inbox i WHERE i.tenant_id = :tenant AND i.subscriber = :subscriber
                          AND i.event_id = o.id)
        LIMIT :most) AS u) AS unacknowledged,
    (SELECT count(*) FROM (
        SELECT FROM inbox WHERE tenant_id = :tenant AND subscriber = :subscriber AND state = 'dead'
        LIMIT :most) AS d) AS dead
"""
)


class SqlEventStandings:
    """Implements EventStandings."""

    def __init__(self, engine: AsyncEngine, subscriptions: Sequence[Subscription]) -> None:
        self._engine = engine
        self._subscriptions = subscriptions

    async def of(self, tenant_id: UUID) -> EventStanding:
        unacknowledged = dead = 0
        given = {"tenant": tenant_id, "most": COUNTED_TO}
        async with SqlUnitOfWork(self._engine, tenant_id) as uow:
            unpublished = await uow.connection.scalar(_UNPUBLISHED, given)
            for each in self._subscriptions:
                about = {
                    "subscriber": each.subscriber,
                    "contexts": list(each.contexts),
                    "names": list(each.names),
                }
                row = (await uow.connection.execute(_OF_SUBSCRIBER, given | about)).one()
                unacknowledged += row.unacknowledged
                dead += row.dead
        return EventStanding(unpublished or 0, unacknowledged, dead)
