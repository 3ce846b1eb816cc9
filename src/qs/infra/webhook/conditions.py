"""How the webhooks of all tenants stand, as the sweeper role sees it: counts and ages, and nobody's names or addresses."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.webhook.condition import WebhookCondition
from qs.infra.postgres.roles import SWEEPER

_LOOK = text(
    """
SELECT count(*) AS backlog,
    coalesce(extract(epoch FROM clock_timestamp() - min(d.queued_at)), 0)::double precision AS oldest_s,
    (SELECT count(*) FROM webhook_delivery WHERE status = 'dead') AS dead,
    (SELECT count(*) FROM webhook_endpoint WHERE enabled AND failures = 0) AS well,
    (SELECT count(*) FROM webhook_endpoint WHERE enabled AND failures > 0) AS failing,
    (SELECT count(*) FROM webhook_endpoint WHERE NOT enabled) AS disabled
FROM webhook_delivery d
WHERE d.status IN ('queued', 'sending')
  AND EXISTS (SELECT FROM webhook_endpoint e WHERE e.tenant_id = d.tenant_id AND e.id = d.endpoint_id AND e.enabled)"""
)


class SqlWebhookConditions:
    """Implements WebhookConditions."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def look(self) -> WebhookCondition:
        async with self._engine.connect() as connection:
            await connection.execute(text(f"SET LOCAL ROLE {SWEEPER}"))
            row = (await connection.execute(_LOOK)).one()
        endpoints = {"well": row.well, "failing": row.failing, "disabled": row.disabled}
        return WebhookCondition(row.backlog, max(row.oldest_s, 0.0), row.dead, endpoints)
