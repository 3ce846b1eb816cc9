"""The refresh tokens of one tenant's users, known by their digests only."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.domain.identity.session import RefreshToken
from qs.infra.identity.rows import refresh_token_of
from qs.infra.identity.tables import refresh_token


class SqlSessionRepository:
    _columns = (
        refresh_token.c.id,
        refresh_token.c.user_id,
        refresh_token.c.family,
        refresh_token.c.expires_at,
        refresh_token.c.used_at,
        refresh_token.c.revoked_at,
    )

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._own = refresh_token.c.tenant_id == tenant_id
        self._tenant_id = tenant_id

    async def add(self, token: RefreshToken, digest: bytes) -> None:
        row = {
            "id": token.id,
            "tenant_id": self._tenant_id,
            "user_id": token.user_id,
            "family": token.family,
            "token_hash": digest,
            "expires_at": token.expires_at,
        }
        await self._connection.execute(insert(refresh_token).values(row))

    async def get(self, token_id: UUID) -> RefreshToken | None:
        query = select(*self._columns).where(self._own, refresh_token.c.id == token_id)
        row = (await self._connection.execute(query)).mappings().one_or_none()
        return None if row is None else refresh_token_of(row)

    async def mark_used(self, token_id: UUID, at: datetime) -> None:
        await self._connection.execute(
            update(refresh_token).where(self._own, refresh_token.c.id == token_id).values(used_at=at)
        )

    async def end_family(self, family: UUID, at: datetime) -> None:
        await self._end(refresh_token.c.family == family, at)

    async def end_all_of(self, user_id: UUID, at: datetime) -> None:
        await self._end(refresh_token.c.user_id == user_id, at)

    async def forget_expired_of(self, user_id: UUID, at: datetime) -> None:
        expired = (refresh_token.c.user_id == user_id) & (refresh_token.c.expires_at <= at)
        await self._connection.execute(delete(refresh_token).where(self._own, expired))

    async def _end(self, which: ColumnElement[bool], at: datetime) -> None:
        going_on = refresh_token.c.revoked_at.is_(None)
        await self._connection.execute(
            update(refresh_token).where(self._own, which, going_on).values(revoked_at=at)
        )
