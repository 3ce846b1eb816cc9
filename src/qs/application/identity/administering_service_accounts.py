"""Operators create accounts for machines and disable them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from qs.application.identity.ports import IdentityUnitOfWorkFactory, Secrets, SystemClock
from qs.domain.identity.accounts import ServiceAccount, new_account_name
from qs.domain.identity.errors import ServiceAccountAbsent, ServiceAccountNameTaken
from qs.domain.identity.scopes import grantable
from qs.domain.kernel.ids import PLATFORM_TENANT, IdGenerator


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
        secret = self._secrets.mint("qss_")
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
            await uow.commit("service_account.create")
        return NewServiceAccount(account, secret)

    async def list(self, tenant_id: UUID) -> Sequence[ServiceAccount]:
        """All accounts of the tenant by name, disabled ones too."""
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.service_accounts.all()

    async def disable(self, tenant_id: UUID, name: str, *, actor: str) -> ServiceAccount:
        """The account gets no more tokens and those it has stop working; disabling again changes nothing.

        Raises:
            ServiceAccountAbsent: the tenant has no such account.
        """
        async with self._unit_of_work(tenant_id) as uow:
            account = await uow.service_accounts.named(name)
            if account is None:
                raise ServiceAccountAbsent(name)
            if account.is_enabled:
                await uow.service_accounts.disable(account.id, self._clock())
                await uow.audit.add("service_account.disabled", "service_account", account.id, actor=actor)
                account = await uow.service_accounts.named(name) or account
                await uow.commit("service_account.disable")
            return account
