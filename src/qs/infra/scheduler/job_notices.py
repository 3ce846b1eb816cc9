"""Notices that wait to be sent, in PostgreSQL."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.domain.scheduler.notices import Notice
from qs.infra.scheduler.job_rows import json_text

_ADD = text(
    """
INSERT INTO job_notice (tenant_id, id, execution_id, kind, channel, address, body)
SELECT :tenant, n.id, n.execution_id, n.kind, n.channel, n.address, n.body::jsonb
FROM unnest(CAST(:ids AS uuid[]), CAST(:executions AS uuid[]), CAST(:kinds AS text[]), CAST(:channels AS text[]),
            CAST(:addresses AS text[]), CAST(:bodies AS text[])) AS n(id, execution_id, kind, channel, address, body)"""
)


class SqlNotices:
    """Implements NoticeRepository on an open connection."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def add(self, notices: Sequence[Notice]) -> None:
        if not notices:
            return
        await self._connection.execute(
            _ADD,
            {
                "tenant": self._tenant_id,
                "ids": [notice.id for notice in notices],
                "executions": [notice.execution_id for notice in notices],
                "kinds": [notice.kind.value for notice in notices],
                "channels": [notice.channel.value for notice in notices],
                "addresses": [notice.address for notice in notices],
                "bodies": [json_text(notice.body) for notice in notices],
            },
        )
