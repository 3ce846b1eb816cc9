"""The identity context's unit of work."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.application.identity.ports import (
    ApiKeyRepository,
    ServiceAccountRepository,
    SessionRepository,
    StarterScales,
    TenantRepository,
    UserRepository,
    ZonePeriods,
)
from qs.infra.identity.api_keys import SqlApiKeyRepository
from qs.infra.identity.repository import SqlServiceAccountRepository, SqlTenantRepository, SqlUserRepository
from qs.infra.identity.sessions import SqlSessionRepository
from qs.infra.identity.staff_contacts import PersonalCipher
from qs.infra.identity.starter_scales import SqlStarterScales
from qs.infra.identity.zones import SqlZonePeriods
from qs.infra.postgres.unit_of_work import SqlUnitOfWork


class SqlIdentityUnitOfWork(SqlUnitOfWork):
    tenants: TenantRepository
    zones: ZonePeriods
    users: UserRepository
    sessions: SessionRepository
    service_accounts: ServiceAccountRepository
    api_keys: ApiKeyRepository
    starter_scales: StarterScales

    def __init__(self, engine: AsyncEngine, tenant_id: UUID, cipher: PersonalCipher) -> None:
        super().__init__(engine, tenant_id)
        self._cipher = cipher

    def bind(self, connection: AsyncConnection) -> None:
        self.tenants = SqlTenantRepository(connection, self.tenant_id, self._cipher)
        self.zones = SqlZonePeriods(connection, self.tenant_id)
        self.users = SqlUserRepository(connection, self.tenant_id)
        self.sessions = SqlSessionRepository(connection, self.tenant_id)
        self.service_accounts = SqlServiceAccountRepository(connection, self.tenant_id)
        self.api_keys = SqlApiKeyRepository(connection, self.tenant_id)
        self.starter_scales = SqlStarterScales(connection, self.tenant_id)

    async def be_alone(self, subject: str) -> None:
        lock = text("SELECT pg_advisory_xact_lock(hashtextextended('qs.' || :subject, 0))")
        await self.connection.execute(lock, {"subject": subject})


class IdentityUnitsOfWork:
    """Makes a unit of work for a tenant; the factory that services are given."""

    def __init__(self, engine: AsyncEngine, cipher: PersonalCipher) -> None:
        self._engine = engine
        self._cipher = cipher

    def __call__(self, tenant_id: UUID) -> SqlIdentityUnitOfWork:
        return SqlIdentityUnitOfWork(self._engine, tenant_id, self._cipher)
