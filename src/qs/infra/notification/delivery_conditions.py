"""How many messages of all tenants are on their way, as the sweeper role sees it: counts and instants alone."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.notification.delivery_condition import DeliveryCondition
from qs.infra.postgres.roles import SWEEPER

# While one is being sent its next attempt is the end of its lease. What waits for its time, as a reminder does, is not
# late: not_before is business time and brought to the machine's here.
_UNSETTLED = text(
    "SELECT channel, count(*) AS number,"
    " greatest(clock_timestamp() - min(greatest(next_attempt_at, not_before - clock.ahead)), interval '0') AS late_by"
    " FROM delivery, (SELECT qs_now() - clock_timestamp() AS ahead) AS clock"
    " WHERE status IN ('queued', 'sending') GROUP BY channel"
)


class SqlDeliveryConditions:
    """Implements DeliveryConditions."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def look(self) -> DeliveryCondition:
        async with self._engine.connect() as connection:
            await connection.execute(text(f"SET LOCAL ROLE {SWEEPER}"))
            rows = (await connection.execute(_UNSETTLED)).all()
        return DeliveryCondition(
            unsettled={row.channel: row.number for row in rows},
            late_by={row.channel: row.late_by for row in rows},
        )
