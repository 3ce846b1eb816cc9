"""Operators create tenants and change what is true of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from uuid import UUID

from qs.application.identity.ports import (
    AccountDirectory,
    IdentityUnitOfWork,
    IdentityUnitOfWorkFactory,
    Passwords,
    StaffAddresses,
)
from qs.application.kernel.preconditions import PreconditionFailed
from qs.domain.identity.accounts import ADMINISTRATOR
from qs.domain.identity.credentials import new_password, new_username
from qs.domain.identity.errors import (
    PasswordUnfit,
    SlugTaken,
    TenantAbsent,
    TenantChanged,
    TenantInvalid,
    TenantReserved,
    UsernameTaken,
    UsernameUnfit,
)
from qs.domain.identity.tenant import NO_LIMITS, Quotas, StaffContact, Tenant, TenantStatus
from qs.domain.kernel.errors import Problem
from qs.domain.kernel.ids import PLATFORM_TENANT, IdGenerator
from qs.domain.kernel.quotas import Quota

TenantRef = str | UUID
"""A tenant by its short name or by its id."""


@dataclass(frozen=True, slots=True)
class TenantChange:
    """What shall be true of a tenant; None leaves it as it is, as does a quota that is not among ``quotas``."""

    name: str | None = None
    timezone: str | None = None
    staff_contacts: Iterable[StaffContact] | None = None
    status: TenantStatus | None = None
    quotas: Mapping[Quota, int | None] | None = None


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Who shall administer a new tenant, by a password that is told to nobody but them."""

    username: str
    password: str = field(repr=False)


class TenantAdministration:
    def __init__(
        self,
        *,
        directory: AccountDirectory,
        unit_of_work: IdentityUnitOfWorkFactory,
        ids: IdGenerator,
        addresses: StaffAddresses,
        passwords: Passwords,
        by_password: bool,
    ) -> None:
        """``by_password`` says whether people log in here, or at a provider elsewhere."""
        self._directory = directory
        self._unit_of_work = unit_of_work
        self._ids = ids
        self._addresses = addresses
        self._passwords = passwords
        self._by_password = by_password

    async def create(
        self,
        slug: str,
        name: str,
        timezone: str,
        *,
        actor: str,
        staff_contacts: Iterable[StaffContact] = (),
        quotas: Quotas = NO_LIMITS,
        administrator: Newcomer | None = None,
    ) -> Tenant:
        """A new tenant, with the starter scales in its catalogue and, if one is named, its first administrator.

        Raises:
            TenantInvalid, UnknownZone: a field is unfit.
            SlugTaken: there is one of that short name.
            UsernameTaken: somebody has the administrator's name, in whichever tenant.
        """
        tenant = Tenant.create(
            self._ids(), slug, name, timezone, staff_contacts=staff_contacts, quotas=quotas
        )
        await self._check(tenant.staff_contacts)
        admitted = None if administrator is None else await self._admit(administrator)
        async with self._unit_of_work(tenant.id) as uow:
            if not await uow.tenants.add(tenant):
                raise SlugTaken(slug)
            await uow.starter_scales.add()
            detail = {"slug": slug, "timezone": timezone, "quotas": asdict(quotas)}
            await uow.audit.add("tenant.created", "tenant", tenant.id, actor=actor, detail=detail)
            if admitted is not None:
                name, password_hash = admitted
                user_id, roles = self._ids(), [ADMINISTRATOR]
                if not await uow.users.add(user_id, name, password_hash, roles):
                    raise UsernameTaken(name)
                who = {"username": name, "roles": roles}
                await uow.audit.add("user.created", "user", user_id, actor=actor, detail=who)
            await uow.commit("tenant.create")
        return tenant

    async def _admit(self, administrator: Newcomer) -> tuple[str, str]:
        """How the name is spelled, and the hash of the password. Raises TenantInvalid."""
        if not self._by_password:
            sentence = "must be left out: people log in at the identity provider of this installation"
            raise TenantInvalid([Problem("/administrator", sentence)])
        try:
            name = new_username(administrator.username)
            password = new_password(administrator.password, name)
        except (UsernameUnfit, PasswordUnfit) as error:
            raise TenantInvalid(
                Problem(f"/administrator{each.pointer}", each.detail) for each in error.problems
            ) from None
        return name, await self._passwords.hash(password)

    async def list(self) -> Sequence[Tenant]:
        """All tenants by slug, without their contacts."""
        return await self._directory.tenants()

    async def show(self, which: TenantRef) -> Tenant:
        """The tenant with its contacts. Raises TenantAbsent, TenantReserved."""
        async with await self._unit_of(which) as uow:
            return await _existing(uow, which)

    async def change(
        self, which: TenantRef, change: TenantChange, *, actor: str, version: int | None = None
    ) -> Tenant:
        """Makes the change true; one that is true already writes nothing. ``version`` is the one that was read.

        Raises:
            TenantAbsent, TenantReserved: there is no such tenant, or it is not an operator's to change.
            TenantInvalid, UnknownZone: a field is unfit.
            PreconditionFailed: it is no longer at that version.
            TenantChanged: somebody else changed the tenant at the same moment.
        """
        contacts = None if change.staff_contacts is None else tuple(change.staff_contacts)
        change = replace(change, staff_contacts=contacts)
        # Before the transaction, which must not wait for it.
        await self._check(contacts or ())
        async with await self._unit_of(which) as uow:
            tenant = await _existing(uow, which)
            if version is not None and tenant.version != version:
                raise PreconditionFailed
            _apply(change, tenant)
            if not tenant.changes:
                return tenant
            if "timezone" in tenant.changes:
                await uow.zones.change_to(tenant.timezone, uow.now)
            if not await uow.tenants.save(tenant):
                raise TenantChanged if version is None else PreconditionFailed
            detail = {
                "fields": tenant.changes,
                "timezone": tenant.timezone,
                "status": tenant.status,
                "quotas": asdict(tenant.quotas),
            }
            await uow.audit.add("tenant.changed", "tenant", tenant.id, actor=actor, detail=detail)
            await uow.commit("tenant.change")
        return tenant

    async def _check(self, contacts: Sequence[StaffContact]) -> None:
        """Raises TenantInvalid for those that nothing could be sent to."""
        asked = [
            (index, contact.address)
            for index, contact in enumerate(contacts)
            if contact.channel == "apprise" and not contact.is_hidden
        ]
        if not asked:
            return
        found = await self._addresses.problems([address for _, address in asked])
        problems = [
            Problem(f"/staff_contacts/{index}/address", problem)
            for (index, _), problem in zip(asked, found, strict=True)
            if problem is not None
        ]
        if problems:
            raise TenantInvalid(problems)

    async def _unit_of(self, which: TenantRef) -> IdentityUnitOfWork:
        tenant_id = which if isinstance(which, UUID) else await self._directory.tenant_id(which)
        if tenant_id is None:
            raise _absent(which)
        if tenant_id == PLATFORM_TENANT:
            raise TenantReserved
        return self._unit_of_work(tenant_id)


async def _existing(uow: IdentityUnitOfWork, which: TenantRef) -> Tenant:
    tenant = await uow.tenants.get()
    if tenant is None:
        raise _absent(which)
    return tenant


def _absent(which: TenantRef) -> TenantAbsent:
    return TenantAbsent(None if isinstance(which, UUID) else which)


def _apply(change: TenantChange, tenant: Tenant) -> None:
    if change.name is not None:
        tenant.rename(change.name)
    if change.timezone is not None:
        tenant.move_to(change.timezone)
    if change.staff_contacts is not None:
        tenant.notify(change.staff_contacts)
    if change.quotas:
        tenant.limit(change.quotas)
    if change.status is TenantStatus.SUSPENDED:
        tenant.suspend()
    elif change.status is TenantStatus.ACTIVE:
        tenant.reactivate()
