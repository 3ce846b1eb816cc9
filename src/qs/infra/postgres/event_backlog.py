"""How far behind publication and each subscriber are, across all tenants."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel.event_backlog import EventBacklog, SubscriberBacklog
from qs.application.kernel.subscriptions import Subscription

_UNPUBLISHED = text(
    """
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(o.recorded_at)), 0)
FROM outbox o WHERE o.position IS NULL OR o.position > (SELECT published_through FROM relay_cursor)
"""
)
_OF_SUBSCRIBER = text(
    """
SELECT
    (SELECT count(*) FROM outbox o
     WHERE (o.position IS NULL
            OR o.position > coalesce((SELECT acknowledged_through FROM subscriber_cursor
                                      WHERE subscriber = :subscriber), 0))
       AND o.context = ANY(:contexts) AND o.name = ANY(:names)
       AND NOT EXISTS (SELECT FROM inbox i WHERE i.subscriber = :subscriber AND i.event_id = o.id)),
    (SELECT count(*) FROM inbox WHERE subscriber = :subscriber AND state = 'dead')
"""
)


class SqlEventBacklog:
    """Implements EventBacklogs."""

    def __init__(self, engine: AsyncEngine, subscriptions: Sequence[Subscription]) -> None:
        self._engine = engine
        self._subscriptions = subscriptions

    async def measure(self) -> EventBacklog:
        async with self._engine.connect() as connection:
            await connection.execute(text("SET LOCAL ROLE qs_relay"))
            unpublished, oldest_s = (await connection.execute(_UNPUBLISHED)).one()
            subscribers = []
            for each in self._subscriptions:
                parameters = {"contexts": list(each.contexts), "names": list(each.names)}
                counts = await connection.execute(
                    _OF_SUBSCRIBER, {"subscriber": each.subscriber, **parameters}
                )
                subscribers.append(SubscriberBacklog(each.subscriber, *counts.one()))
        return EventBacklog(unpublished, float(oldest_s), tuple(subscribers))
