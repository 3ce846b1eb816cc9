"""Staff contacts for other contexts, each through a port of its own."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.domain.identity.tenant import StaffContact
from qs.infra.identity.staff_contacts import PersonalCipher, read_staff_contacts
from qs.infra.postgres.unit_of_work import SqlUnitOfWork


class SqlStaffReader:
    def __init__(self, engine: AsyncEngine, cipher: PersonalCipher) -> None:
        self._engine = engine
        self._cipher = cipher

    async def contacts(self, tenant_id: UUID) -> Sequence[StaffContact]:
        """Whom to tell in that tenant, in their order."""
        async with SqlUnitOfWork(self._engine, tenant_id) as uow:
            return await self.contacts_within(uow.connection, tenant_id)

    async def contacts_within(self, connection: AsyncConnection, tenant_id: UUID) -> Sequence[StaffContact]:
        """As ``contacts``, in the caller's transaction."""
        return await read_staff_contacts(connection, self._cipher, tenant_id)
