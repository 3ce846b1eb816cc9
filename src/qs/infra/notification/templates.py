"""Texts of tenants in PostgreSQL. A version is written once; which one is active is all that changes."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.domain.notification.templates import TemplateVersion
from qs.domain.notification.texts import OwnText, OwnTexts, Text
from qs.infra.postgres.unit_of_work import SqlUnitOfWork

_COLUMNS = "key, locale, version, subject, body, created_at, created_by, active"
_OF_KEY = "FROM message_template WHERE tenant_id = :tenant AND key = :key AND locale = :locale"
_ALL_ACTIVE = text(
    f"SELECT {_COLUMNS} FROM message_template WHERE tenant_id = :tenant AND active ORDER BY key, locale"  # noqa: S608
)
_ACTIVE = text(f"SELECT {_COLUMNS} {_OF_KEY} AND active")
_VERSION = text(f"SELECT {_COLUMNS} {_OF_KEY} AND version = :version")
_VERSIONS = text(
    f"SELECT {_COLUMNS} {_OF_KEY} AND version < COALESCE(CAST(:before AS integer), 2147483647)"
    " ORDER BY version DESC LIMIT :limit"
)
_LOCK = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('qs template ' || :tenant || :key || :locale, 0))"
)
_ADD = text(
    f"""
INSERT INTO message_template (tenant_id, key, locale, version, subject, body, created_by)
SELECT :tenant, :key, :locale, (SELECT COALESCE(max(version), 0) + 1 {_OF_KEY}), :subject, :body, :created_by
RETURNING {_COLUMNS}
"""
)
_PUT_ASIDE = text(
    "UPDATE message_template SET active = false"
    " WHERE tenant_id = :tenant AND key = :key AND locale = :locale AND active"
)
_ACTIVATE = text(
    "UPDATE message_template SET active = true"
    " WHERE tenant_id = :tenant AND key = :key AND locale = :locale AND version = :version"
)


class SqlTemplates:
    """Implements TemplateRepository and TextBook on an open connection."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def lock(self, key: str, locale: str) -> None:
        parameters = {"tenant": str(self._tenant_id), "key": key, "locale": locale}
        await self._connection.execute(_LOCK, parameters)

    async def active(self, key: str, locale: str) -> TemplateVersion | None:
        row = (await self._connection.execute(_ACTIVE, self._of(key, locale))).one_or_none()
        return None if row is None else _version(row)

    async def all_active(self) -> Sequence[TemplateVersion]:
        rows = await self._connection.execute(_ALL_ACTIVE, {"tenant": self._tenant_id})
        return [_version(row) for row in rows]

    async def own(self) -> Mapping[str, OwnTexts]:
        by_locale: dict[str, dict[str, OwnText]] = {}
        for each in await self.all_active():
            by_locale.setdefault(each.locale, {})[each.key] = OwnText(each.version, each.text)
        return by_locale

    async def version(self, key: str, locale: str, version: int) -> TemplateVersion | None:
        parameters = {**self._of(key, locale), "version": version}
        row = (await self._connection.execute(_VERSION, parameters)).one_or_none()
        return None if row is None else _version(row)

    async def versions(
        self, key: str, locale: str, before: int | None, limit: int
    ) -> Sequence[TemplateVersion]:
        parameters = {**self._of(key, locale), "before": before, "limit": limit}
        return [_version(row) for row in await self._connection.execute(_VERSIONS, parameters)]

    async def add(self, key: str, locale: str, text: Text, created_by: str) -> TemplateVersion:
        written = {"subject": text.subject, "body": text.body, "created_by": created_by}
        return _version((await self._connection.execute(_ADD, {**self._of(key, locale), **written})).one())

    async def activate(self, key: str, locale: str, version: int | None) -> None:
        await self._connection.execute(_PUT_ASIDE, self._of(key, locale))
        if version is not None:
            await self._connection.execute(_ACTIVATE, {**self._of(key, locale), "version": version})

    def _of(self, key: str, locale: str) -> dict[str, Any]:
        return {"tenant": self._tenant_id, "key": key, "locale": locale}


class SqlTemplateUnitOfWork(SqlUnitOfWork):
    templates: SqlTemplates

    def bind(self, connection: AsyncConnection) -> None:
        self.templates = SqlTemplates(connection, self.tenant_id)


def _version(row: Any) -> TemplateVersion:
    written = Text(row.subject, row.body)
    return TemplateVersion(
        row.key, row.locale, row.version, written, row.created_at, row.created_by, row.active
    )
