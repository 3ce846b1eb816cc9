"""The identity context's rows of one tenant. Each statement names the tenant, besides the policies that hide others."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, any_, exists, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.domain.identity.accounts import ServiceAccount, User
from qs.domain.identity.tenant import Tenant, TenantStatus
from qs.infra.identity.rows import quotas_of, service_account_of, user_of
from qs.infra.identity.staff_contacts import PersonalCipher, seal, unseal
from qs.infra.identity.tables import app_user, service_account, tenant


class SqlTenantRepository:
    def __init__(self, connection: AsyncConnection, tenant_id: UUID, cipher: PersonalCipher) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._cipher = cipher

    async def add(self, new: Tenant) -> bool:
        row = {
            "id": new.id,
            "slug": new.slug,
            "name": new.name,
            "timezone": new.timezone,
            "staff_contacts": seal(self._cipher, new.id, new.staff_contacts),
            **asdict(new.quotas),
        }
        added = await self._connection.execute(insert(tenant).values(row).on_conflict_do_nothing())
        return added.rowcount == 1

    async def get(self) -> Tenant | None:
        query = select(tenant).where(tenant.c.id == self._tenant_id)
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            return None
        return Tenant(
            id=row.id,
            slug=row.slug,
            name=row.name,
            timezone=row.timezone,
            status=TenantStatus(row.status),
            staff_contacts=unseal(self._cipher, row.id, row.staff_contacts),
            quotas=quotas_of(row._mapping),
            version=row.version,
        )

    async def save(self, changed: Tenant) -> bool:
        statement = (
            update(tenant)
            .where(tenant.c.id == self._tenant_id, tenant.c.version == changed.version)
            .values(
                name=changed.name,
                timezone=changed.timezone,
                status=changed.status.value,
                staff_contacts=seal(self._cipher, changed.id, changed.staff_contacts),
                **asdict(changed.quotas),
                version=changed.version + 1,
            )
        )
        if (await self._connection.execute(statement)).rowcount != 1:
            return False
        changed.version += 1
        return True


class SqlUserRepository:
    _columns = (
        app_user.c.id,
        app_user.c.tenant_id,
        app_user.c.username,
        app_user.c.roles,
        app_user.c.created_at,
        app_user.c.disabled_at,
    )

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def add(self, user_id: UUID, username: str, password_hash: str, roles: Sequence[str]) -> bool:
        row = {
            "id": user_id,
            "tenant_id": self._tenant_id,
            "username": username,
            "password_hash": password_hash,
            "roles": list(roles),
        }
        added = await self._connection.execute(insert(app_user).values(row).on_conflict_do_nothing())
        return added.rowcount == 1

    async def get(self, user_id: UUID) -> User | None:
        return await self._one(self._query().where(app_user.c.id == user_id))

    async def lock(self, user_id: UUID) -> User | None:
        return await self._one(self._query().where(app_user.c.id == user_id).with_for_update())

    async def lock_named(self, username: str) -> User | None:
        return await self._one(self._query().where(app_user.c.username == username).with_for_update())

    async def all(self) -> Sequence[User]:
        rows = await self._connection.execute(self._query().order_by(app_user.c.username))
        return [user_of(row) for row in rows.mappings()]

    async def set_password_hash(self, user_id: UUID, password_hash: str) -> None:
        await self._update(user_id, password_hash=password_hash)

    async def disable(self, user_id: UUID, at: datetime) -> None:
        await self._update(user_id, disabled_at=at)

    async def set_roles(self, user_id: UUID, roles: Sequence[str]) -> None:
        await self._update(user_id, roles=list(roles))

    async def others_with_role(self, role: str, user_id: UUID) -> bool:
        others = exists(app_user.c.id).where(
            app_user.c.tenant_id == self._tenant_id,
            app_user.c.id != user_id,
            app_user.c.disabled_at.is_(None),
            literal(role) == any_(app_user.c.roles),
        )
        return bool(await self._connection.scalar(select(others)))

    async def any_with_role(self, role: str) -> bool:
        holds = exists(app_user.c.id).where(
            app_user.c.tenant_id == self._tenant_id, literal(role) == any_(app_user.c.roles)
        )
        return bool(await self._connection.scalar(select(holds)))

    def _query(self) -> Select[tuple[object, ...]]:
        return select(*self._columns).where(app_user.c.tenant_id == self._tenant_id)

    async def _one(self, query: Select[tuple[object, ...]]) -> User | None:
        row = (await self._connection.execute(query)).mappings().one_or_none()
        return None if row is None else user_of(row)

    async def _update(self, user_id: UUID, **values: object) -> None:
        own = (app_user.c.tenant_id == self._tenant_id) & (app_user.c.id == user_id)
        await self._connection.execute(update(app_user).where(own).values(**values))


class SqlServiceAccountRepository:
    _columns = (
        service_account.c.id,
        service_account.c.tenant_id,
        service_account.c.name,
        service_account.c.client_id,
        service_account.c.scopes,
        service_account.c.created_at,
        service_account.c.disabled_at,
    )

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def add(self, account: ServiceAccount, secret_digest: bytes) -> bool:
        row = {
            "id": account.id,
            "tenant_id": self._tenant_id,
            "name": account.name,
            "client_id": account.client_id,
            "secret_hash": secret_digest,
            "scopes": sorted(account.scopes),
        }
        added = await self._connection.execute(insert(service_account).values(row).on_conflict_do_nothing())
        return added.rowcount == 1

    async def get(self, account_id: UUID) -> ServiceAccount | None:
        return await self._one(self._query().where(service_account.c.id == account_id))

    async def lock(self, account_id: UUID) -> ServiceAccount | None:
        return await self._one(self._query().where(service_account.c.id == account_id).with_for_update())

    async def lock_named(self, name: str) -> ServiceAccount | None:
        return await self._one(self._query().where(service_account.c.name == name).with_for_update())

    async def all(self) -> Sequence[ServiceAccount]:
        rows = await self._connection.execute(self._query().order_by(service_account.c.name))
        return [service_account_of(row) for row in rows.mappings()]

    async def set_secret_digest(self, account_id: UUID, digest: bytes) -> None:
        await self._update(account_id, secret_hash=digest)

    async def disable(self, account_id: UUID, at: datetime) -> None:
        await self._update(account_id, disabled_at=at)

    def _query(self) -> Select[tuple[object, ...]]:
        return select(*self._columns).where(service_account.c.tenant_id == self._tenant_id)

    async def _one(self, query: Select[tuple[object, ...]]) -> ServiceAccount | None:
        row = (await self._connection.execute(query)).mappings().one_or_none()
        return None if row is None else service_account_of(row)

    async def _update(self, account_id: UUID, **values: object) -> None:
        own = (service_account.c.tenant_id == self._tenant_id) & (service_account.c.id == account_id)
        await self._connection.execute(update(service_account).where(own).values(**values))
