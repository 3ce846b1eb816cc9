"""Administrators create accounts for machines, give them new secrets and disable them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from qs.application.identity.ports import (
    IdentityUnitOfWork,
    IdentityUnitOfWorkFactory,
    Secrets,
    SystemClock,
)
from qs.domain.identity.accounts import ServiceAccount, new_account_name
from qs.domain.identity.errors import (
    ServiceAccountAbsent,
    ServiceAccountDisabled,
    ServiceAccountNameTaken,
)
from qs.domain.identity.scopes import grantable
from qs.domain.kernel.ids import PLATFORM_TENANT, IdGenerator

AccountRef = str | UUID
"""A service account by name or by id."""

# Secret scanners know it.
_PREFIX = "qss_"


@dataclass(frozen=True, slots=True)
class NewServiceAccount:
    """An account with its secret, which is shown this once and stored nowhere."""

    account: ServiceAccount
    client_secret: str = field(repr=False)


class ServiceAccountAdministration:
    """``tenant_id`` is PLATFORM_TENANT for the accounts that serve all tenants."""

    def __init__(
        self,
        *,
        unit_of_work: IdentityUnitOfWorkFactory,
        secrets: Secrets,
        clock: SystemClock,
        ids: IdGenerator,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._secrets = secrets
        self._clock = clock
        self._ids = ids

    async def create(
        self, tenant_id: UUID, name: str, scopes: Iterable[str], *, actor: str
    ) -> NewServiceAccount:
        """A new account with these scopes.

        Raises:
            ServiceAccountInvalid: the name is unfit.
            ScopeUnknown, ScopeNotForPlatform: an account of that kind cannot hold one of the scopes.
            ServiceAccountNameTaken: the tenant has one of that name, perhaps disabled.
        """
        held = grantable(scopes, platform=tenant_id == PLATFORM_TENANT)
        account_id = self._ids()
        secret = self._secrets.mint(_PREFIX)
        account = ServiceAccount(
            id=account_id,
            tenant_id=tenant_id,
            name=new_account_name(name),
            client_id=f"qsc_{account_id.hex}",
            scopes=held,
            created_at=self._clock(),
        )
        async with self._unit_of_work(tenant_id) as uow:
            if not await uow.service_accounts.add(account, self._secrets.digest(secret)):
                raise ServiceAccountNameTaken(name)
            detail = {"name": name, "scopes": sorted(held)}
            await uow.audit.add(
                "service_account.created", "service_account", account_id, actor=actor, detail=detail
            )
            account = await _locked(uow, account_id)
            await uow.commit("service_account.create")
        return NewServiceAccount(account, secret)

    async def list(self, tenant_id: UUID) -> Sequence[ServiceAccount]:
        """All accounts of the tenant by name, disabled ones too."""
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.service_accounts.all()

    async def get(self, tenant_id: UUID, account_id: UUID) -> ServiceAccount:
        """Raises ServiceAccountAbsent."""
        async with self._unit_of_work(tenant_id) as uow:
            account = await uow.service_accounts.get(account_id)
        if account is None:
            raise ServiceAccountAbsent
        return account

    async def renew_secret(self, tenant_id: UUID, which: AccountRef, *, actor: str) -> NewServiceAccount:
        """The account with a new secret, beside which the old one works no more; its tokens go on until they expire.

        Raises:
            ServiceAccountAbsent: the tenant has no such account.
            ServiceAccountDisabled: it gets no tokens, whatever its secret.
        """
        secret = self._secrets.mint(_PREFIX)
        async with self._unit_of_work(tenant_id) as uow:
            account = await _locked(uow, which)
            if not account.is_enabled:
                raise ServiceAccountDisabled
            await uow.service_accounts.set_secret_digest(account.id, self._secrets.digest(secret))
            await uow.audit.add("service_account.secret_renewed", "service_account", account.id, actor=actor)
            await uow.commit("service_account.renew_secret")
        return NewServiceAccount(account, secret)

    async def disable(self, tenant_id: UUID, which: AccountRef, *, actor: str) -> ServiceAccount:
        """The account gets no more tokens and those it has stop working; disabling again changes nothing.

        Raises:
            ServiceAccountAbsent: the tenant has no such account.
        """
        async with self._unit_of_work(tenant_id) as uow:
            account = await _locked(uow, which)
            if account.is_enabled:
                await uow.service_accounts.disable(account.id, self._clock())
                await uow.audit.add("service_account.disabled", "service_account", account.id, actor=actor)
                account = await _locked(uow, account.id)
                await uow.commit("service_account.disable")
            return account


async def _locked(uow: IdentityUnitOfWork, which: AccountRef) -> ServiceAccount:
    if isinstance(which, UUID):
        account = await uow.service_accounts.lock(which)
    else:
        account = await uow.service_accounts.lock_named(which)
    if account is None:
        raise ServiceAccountAbsent(None if isinstance(which, UUID) else which)
    return account
