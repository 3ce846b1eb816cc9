"""The published scales that every new tenant begins with, the same as the default tenant's."""

from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_SCALES = {
    "PHQ-9": {"zh": "患者健康问卷（PHQ-9）", "en": "Patient Health Questionnaire (PHQ-9)"},
    "GAD-7": {"zh": "广泛性焦虑量表（GAD-7）", "en": "Generalized Anxiety Disorder scale (GAD-7)"},
}
_ADD = text(
    "INSERT INTO scale (tenant_id, code, title, version, published) "
    "VALUES (:tenant, :code, CAST(:title AS jsonb), '1', true)"
)


class SqlStarterScales:
    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def add(self) -> None:
        rows = [
            {"tenant": self._tenant_id, "code": code, "title": msgspec.json.encode(title).decode()}
            for code, title in _SCALES.items()
        ]
        await self._connection.execute(_ADD, rows)
