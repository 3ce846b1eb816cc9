"""The keys of executions that were asked for through a message broker."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.application.scheduler.request_ports import JobRequest, KnownRequest

_FIND = text("SELECT digest, execution_id FROM broker_request WHERE tenant_id = :tenant AND key = :key")
_ADD = text(
    "INSERT INTO broker_request (tenant_id, key, job_id, execution_id, digest)"
    " VALUES (:tenant, :key, :job, :execution, :digest) ON CONFLICT DO NOTHING"
)


class SqlRequests:
    """Implements RequestRepository on an open connection."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def find(self, key: str) -> KnownRequest | None:
        rows = await self._connection.execute(_FIND, {"tenant": self._tenant_id, "key": key})
        row = rows.one_or_none()
        return None if row is None else KnownRequest(bytes(row.digest), row.execution_id)

    async def add(self, request: JobRequest, execution_id: UUID) -> bool:
        values = {"key": request.key, "job": request.job_id, "digest": request.digest}
        added = await self._connection.execute(
            _ADD, {"tenant": self._tenant_id, "execution": execution_id, **values}
        )
        return added.rowcount == 1
