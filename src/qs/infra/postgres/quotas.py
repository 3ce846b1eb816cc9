"""A tenant's quotas, which stand in its own row."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.domain.kernel.quotas import Quota

# Locked by number instead of by row, since an edit of the tenant must not wait for ten thousand enrollments. What is
# counted afterwards is seen by a statement that begins after the lock was had.
_LIMITS = {
    quota: text(
        f"SELECT {quota.value} AS most, CASE WHEN {quota.value} IS NOT NULL"  # noqa: S608 - names of columns of ours
        " THEN pg_advisory_xact_lock(hashtextextended(:lock, 0)) END FROM tenant WHERE id = :tenant"
    )
    for quota in Quota
}


class SqlQuotas:
    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def limit(self, quota: Quota) -> int | None:
        values = {"tenant": self._tenant_id, "lock": f"qs.quota.{self._tenant_id}.{quota.value}"}
        row = (await self._connection.execute(_LIMITS[quota], values)).one_or_none()
        return None if row is None else row.most
