"""The API keys of one tenant, without what proves that one holds them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.domain.identity.api_keys import ApiKey
from qs.infra.identity.rows import api_key_of
from qs.infra.identity.tables import api_key


class SqlApiKeyRepository:
    _columns = tuple(column for column in api_key.c if column.name != "secret_hash")

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._own = api_key.c.tenant_id == tenant_id
        self._tenant_id = tenant_id

    async def add(self, key: ApiKey, secret_digest: bytes) -> None:
        row = {
            "id": key.id,
            "tenant_id": self._tenant_id,
            "name": key.name,
            "secret_hash": secret_digest,
            "scopes": sorted(key.scopes),
            "created_at": key.created_at,
            "expires_at": key.expires_at,
        }
        await self._connection.execute(insert(api_key).values(row))

    async def get(self, key_id: UUID) -> ApiKey | None:
        return await self._one(self._query(api_key.c.id == key_id))

    async def lock(self, key_id: UUID) -> ApiKey | None:
        return await self._one(self._query(api_key.c.id == key_id).with_for_update())

    async def named(self, name: str) -> Sequence[ApiKey]:
        return await self._several(self._query(api_key.c.name == name))

    async def all(self) -> Sequence[ApiKey]:
        return await self._several(self._query())

    async def note_use(self, key_id: UUID, used_at: datetime | None, secret_digest: bytes) -> None:
        # GREATEST passes over NULL, on either side.
        await self._update(
            key_id,
            last_used_at=func.greatest(api_key.c.last_used_at, used_at),
            secret_hash=secret_digest,
        )

    async def revoke(self, key_id: UUID, at: datetime) -> None:
        await self._update(key_id, revoked_at=at)

    def _query(self, *conditions: ColumnElement[bool]) -> Select[tuple[object, ...]]:
        query = select(*self._columns).where(self._own, *conditions)
        return query.order_by(api_key.c.name, api_key.c.id.desc())

    async def _one(self, query: Select[tuple[object, ...]]) -> ApiKey | None:
        row = (await self._connection.execute(query)).mappings().one_or_none()
        return None if row is None else api_key_of(row)

    async def _several(self, query: Select[tuple[object, ...]]) -> Sequence[ApiKey]:
        rows = await self._connection.execute(query)
        return [api_key_of(row) for row in rows.mappings()]

    async def _update(self, key_id: UUID, **values: object) -> None:
        await self._connection.execute(
            update(api_key).where(self._own, api_key.c.id == key_id).values(**values)
        )
