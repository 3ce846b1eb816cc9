"""The endpoints that qs switched off itself, of every tenant, as the sweeper role."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.infra.postgres.roles import SWEEPER

_DISABLED = text(
    "SELECT tenant_id, id, disabled_reason FROM webhook_endpoint"
    " WHERE NOT enabled AND disabled_reason IN ('gone', 'failing')"
)


@dataclass(frozen=True, slots=True)
class DisabledEndpoint:
    """``reason`` is ``gone`` or ``failing``."""

    tenant_id: UUID
    endpoint_id: UUID
    reason: str


class SqlDisabledEndpoints:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def look(self) -> Sequence[DisabledEndpoint]:
        """All that are off at this moment because of their receivers."""
        async with self._engine.connect() as connection:
            await connection.execute(text(f"SET LOCAL ROLE {SWEEPER}"))
            rows = await connection.execute(_DISABLED)
            return [DisabledEndpoint(row.tenant_id, row.id, row.disabled_reason) for row in rows]
