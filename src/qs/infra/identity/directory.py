"""Accounts found across tenants, as the one role that may: it reads what proves who somebody is, and writes nothing."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import ColumnElement, Text, and_, cast, exists, select, text, true
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.application.identity.ports import KnownApiKey, KnownClient, KnownUser
from qs.domain.identity.principal import Kind
from qs.domain.identity.tenant import Tenant, TenantStatus
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.domain.kernel.quotas import Quota
from qs.infra.identity.rows import api_key_of, quotas_of, service_account_of
from qs.infra.identity.tables import api_key, app_user, refresh_token, service_account, tenant
from qs.infra.postgres.roles import IDENTITY

_TENANT_IS_ACTIVE = tenant.c.status == TenantStatus.ACTIVE.value


class SqlAccountDirectory:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def user(self, username: str) -> KnownUser | None:
        may_enter = (app_user.c.disabled_at.is_(None) & _TENANT_IS_ACTIVE).label("may_enter")
        query = (
            select(app_user.c.id, app_user.c.tenant_id, app_user.c.password_hash, may_enter)
            .join(tenant, tenant.c.id == app_user.c.tenant_id)
            .where(app_user.c.username == username)
        )
        async with self._reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else KnownUser(**row._mapping)

    async def client(self, client_id: str) -> KnownClient | None:
        may_enter = (service_account.c.disabled_at.is_(None) & _TENANT_IS_ACTIVE).label("may_enter")
        query = (
            select(service_account, may_enter)
            .join(tenant, tenant.c.id == service_account.c.tenant_id)
            .where(service_account.c.client_id == client_id)
        )
        async with self._reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        return KnownClient(service_account_of(row._mapping), row.secret_hash, row.may_enter)

    async def refresh_token(self, digests: Sequence[bytes]) -> tuple[UUID, UUID] | None:
        query = (
            select(refresh_token.c.tenant_id, refresh_token.c.id)
            .join(tenant, tenant.c.id == refresh_token.c.tenant_id)
            .where(refresh_token.c.token_hash.in_(digests), _TENANT_IS_ACTIVE)
        )
        async with self._reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else (row.tenant_id, row.id)

    async def may_continue(
        self, kind: Kind, account_id: UUID | None, tenant_id: UUID, session_id: UUID | None
    ) -> bool:
        in_good_standing = and_(
            exists().where(tenant.c.id == tenant_id, _TENANT_IS_ACTIVE),
            _account_is_enabled(kind, account_id, tenant_id),
            _session_goes_on(tenant_id, session_id),
        )
        async with self._reading() as connection:
            return bool(await connection.scalar(select(in_good_standing)))

    async def api_key(self, key_id: UUID) -> KnownApiKey | None:
        query = (
            select(api_key, _TENANT_IS_ACTIVE.label("may_enter"))
            .join(tenant, tenant.c.id == api_key.c.tenant_id)
            .where(api_key.c.id == key_id)
        )
        async with self._reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else KnownApiKey(api_key_of(row._mapping), row.secret_hash, row.may_enter)

    async def tenant_id(self, slug: str) -> UUID | None:
        async with self._reading() as connection:
            found: UUID | None = await connection.scalar(select(tenant.c.id).where(tenant.c.slug == slug))
            return found

    async def active_tenant(self, named: str) -> UUID | None:
        is_named = (tenant.c.slug == named) | (cast(tenant.c.id, Text) == named)
        query = select(tenant.c.id).where(is_named, _TENANT_IS_ACTIVE, tenant.c.id != PLATFORM_TENANT)
        async with self._reading() as connection:
            found: UUID | None = await connection.scalar(query.order_by(tenant.c.slug != named).limit(1))
            return found

    async def tenants(self) -> Sequence[Tenant]:
        columns = (
            tenant.c.id,
            tenant.c.slug,
            tenant.c.name,
            tenant.c.timezone,
            tenant.c.status,
            tenant.c.version,
            *(tenant.c[quota.value] for quota in Quota),
        )
        query = select(*columns).where(tenant.c.id != PLATFORM_TENANT).order_by(tenant.c.slug)
        async with self._reading() as connection:
            rows = (await connection.execute(query)).all()
        return [
            Tenant(
                row.id,
                row.slug,
                row.name,
                row.timezone,
                TenantStatus(row.status),
                quotas=quotas_of(row._mapping),
                version=row.version,
            )
            for row in rows
        ]

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        async with self._engine.connect() as connection:
            await connection.execute(text(f"SET LOCAL ROLE {IDENTITY}"))
            yield connection


def _account_is_enabled(kind: Kind, account_id: UUID | None, tenant_id: UUID) -> ColumnElement[bool]:
    tables = {Kind.USER: app_user, Kind.SERVICE: service_account}
    if kind not in tables:
        # A token made by an operator stands for itself, until it expires.
        return true()
    account = tables[kind]
    return exists().where(
        account.c.id == account_id, account.c.tenant_id == tenant_id, account.c.disabled_at.is_(None)
    )


def _session_goes_on(tenant_id: UUID, session_id: UUID | None) -> ColumnElement[bool]:
    if session_id is None:
        return true()
    token = refresh_token.c
    return ~exists().where(
        token.tenant_id == tenant_id, token.family == session_id, token.revoked_at.is_not(None)
    )
