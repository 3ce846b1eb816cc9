"""Operators create tenants and change what is true of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qs.application.identity.ports import AccountDirectory, IdentityUnitOfWork, IdentityUnitOfWorkFactory
from qs.domain.identity.errors import SlugTaken, TenantAbsent, TenantChanged, TenantReserved
from qs.domain.identity.tenant import StaffContact, Tenant, TenantStatus
from qs.domain.kernel.ids import PLATFORM_TENANT, IdGenerator


@dataclass(frozen=True, slots=True)
class TenantChange:
    """What shall be true of a tenant; None leaves it as it is."""

    name: str | None = None
    timezone: str | None = None
    staff_contacts: Iterable[StaffContact] | None = None
    status: TenantStatus | None = None


class TenantAdministration:
    def __init__(
        self, *, directory: AccountDirectory, unit_of_work: IdentityUnitOfWorkFactory, ids: IdGenerator
    ) -> None:
        self._directory = directory
        self._unit_of_work = unit_of_work
        self._ids = ids

    async def create(self, slug: str, name: str, timezone: str, *, actor: str) -> Tenant:
        """A new tenant, with the starter scales in its catalogue.

        Raises:
            TenantInvalid, UnknownZone: a field is unfit.
            SlugTaken: there is one of that short name.
        """
        tenant = Tenant.create(self._ids(), slug, name, timezone)
        async with self._unit_of_work(tenant.id) as uow:
            if not await uow.tenants.add(tenant):
                raise SlugTaken(slug)
            await uow.starter_scales.add()
            detail = {"slug": slug, "timezone": timezone}
            await uow.audit.add("tenant.created", "tenant", tenant.id, actor=actor, detail=detail)
            await uow.commit("tenant.create")
        return tenant

    async def list(self) -> Sequence[Tenant]:
        """All tenants by slug, without their contacts."""
        return await self._directory.tenants()

    async def show(self, slug: str) -> Tenant:
        """The tenant with its contacts. Raises TenantAbsent, TenantReserved."""
        async with await self._unit_of(slug) as uow:
            return await _existing(uow, slug)

    async def change(self, slug: str, change: TenantChange, *, actor: str) -> Tenant:
        """Makes the change true; one that is true already writes nothing.

        Raises:
            TenantAbsent, TenantReserved: there is no such tenant, or it is not an operator's to change.
            TenantInvalid, UnknownZone: a field is unfit.
            TenantChanged: somebody else changed the tenant at the same moment.
        """
        async with await self._unit_of(slug) as uow:
            tenant = await _existing(uow, slug)
            _apply(change, tenant)
            if not tenant.changes:
                return tenant
            if "timezone" in tenant.changes:
                await uow.zones.change_to(tenant.timezone, uow.now)
            if not await uow.tenants.save(tenant):
                raise TenantChanged
            detail = {"fields": tenant.changes, "timezone": tenant.timezone, "status": tenant.status}
            await uow.audit.add("tenant.changed", "tenant", tenant.id, actor=actor, detail=detail)
            await uow.commit("tenant.change")
        return tenant

    async def _unit_of(self, slug: str) -> IdentityUnitOfWork:
        tenant_id = await self._directory.tenant_id(slug)
        if tenant_id is None:
            raise TenantAbsent(slug)
        if tenant_id == PLATFORM_TENANT:
            raise TenantReserved
        return self._unit_of_work(tenant_id)


async def _existing(uow: IdentityUnitOfWork, slug: str) -> Tenant:
    tenant = await uow.tenants.get()
    if tenant is None:
        raise TenantAbsent(slug)
    return tenant


def _apply(change: TenantChange, tenant: Tenant) -> None:
    if change.name is not None:
        tenant.rename(change.name)
    if change.timezone is not None:
        tenant.move_to(change.timezone)
    if change.staff_contacts is not None:
        tenant.notify(change.staff_contacts)
    if change.status is TenantStatus.SUSPENDED:
        tenant.suspend()
    elif change.status is TenantStatus.ACTIVE:
        tenant.reactivate()
