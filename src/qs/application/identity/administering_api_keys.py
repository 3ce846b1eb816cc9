"""Administrators give API keys to machines, replace them and take them back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from qs.application.identity.ports import IdentityUnitOfWorkFactory, Secrets, SystemClock
from qs.domain.identity.api_keys import ApiKey, check_successor, new_key_life, new_key_name, written_key
from qs.domain.identity.errors import ApiKeyAbsent, TenantReserved
from qs.domain.identity.scopes import grantable
from qs.domain.kernel.ids import PLATFORM_TENANT, IdGenerator


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key with what its machine sends, which is shown this once and stored nowhere."""

    key: ApiKey
    secret: str = field(repr=False)


class ApiKeyAdministration:
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
        self, tenant_id: UUID, name: str, scopes: Iterable[str], life: timedelta, *, actor: str
    ) -> NewApiKey:
        """A new key that works for ``life``; a second one of a name is how a key is replaced.

        Raises:
            ApiKeyInvalid: the name or the length of life is unfit.
            ScopeUnknown: a scope does not exist.
            TwoKeysActive: two keys of that name still work.
            TenantReserved: the platform's machines are its service accounts.
        """
        if tenant_id == PLATFORM_TENANT:
            raise TenantReserved
        name, life, held = new_key_name(name), new_key_life(life), grantable(scopes)
        key_id, now = self._ids(), self._clock()
        secret = written_key(key_id, self._secrets.mint(""))
        key = ApiKey(key_id, tenant_id, name, held, created_at=now, expires_at=now + life)
        async with self._unit_of_work(tenant_id) as uow:
            await uow.be_alone(f"api_key.{tenant_id}.{name}")
            check_successor(name, await uow.api_keys.named(name), now)
            await uow.api_keys.add(key, self._secrets.digest(secret))
            detail = {"name": name, "scopes": sorted(held), "expires_at": key.expires_at}
            await uow.audit.add("api_key.created", "api_key", key_id, actor=actor, detail=detail)
            await uow.commit("api_key.create")
        return NewApiKey(key, secret)

    async def list(self, tenant_id: UUID) -> Sequence[ApiKey]:
        """All keys of the tenant by name, the newest of a name first, those that work no more too."""
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.api_keys.all()

    async def get(self, tenant_id: UUID, key_id: UUID) -> ApiKey:
        """Raises ApiKeyAbsent."""
        async with self._unit_of_work(tenant_id) as uow:
            key = await uow.api_keys.get(key_id)
        if key is None:
            raise ApiKeyAbsent
        return key

    async def revoke(self, tenant_id: UUID, key_id: UUID, *, actor: str) -> ApiKey:
        """The key works nowhere any more within 3 s; revoking again changes nothing.

        Raises:
            ApiKeyAbsent: the tenant has no such key.
        """
        async with self._unit_of_work(tenant_id) as uow:
            key = await uow.api_keys.lock(key_id)
            if key is None:
                raise ApiKeyAbsent
            if key.revoked_at is None:
                await uow.api_keys.revoke(key_id, self._clock())
                await uow.audit.add(
                    "api_key.revoked", "api_key", key_id, actor=actor, detail={"name": key.name}
                )
                key = await uow.api_keys.lock(key_id) or key
                await uow.commit("api_key.revoke")
            return key
