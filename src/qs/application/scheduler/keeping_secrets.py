"""A tenant keeps secrets for its jobs; nobody is ever shown a value again."""

from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

from qs.application.kernel.preconditions import PreconditionFailed
from qs.application.kernel.unit_of_work import UnitOfWork
from qs.domain.scheduler.secrets import StoredSecret, StoredSecretAbsent, check_secret


class SecretRepository(Protocol):
    async def put(self, name: str, value: str) -> StoredSecret:
        """Stores the value under the name, in the place of what was there; a new one has version 1."""
        ...

    async def get(self, name: str, *, lock: bool = False) -> StoredSecret | None: ...

    async def all(self) -> Sequence[StoredSecret]:
        """By name."""
        ...

    async def remove(self, name: str) -> None: ...

    async def used_by(self, name: str) -> Sequence[str]:
        """The names of the jobs whose target refers to it."""
        ...


class SecretUnitOfWork(UnitOfWork, Protocol):
    @property
    def secrets(self) -> SecretRepository: ...


SecretUnitOfWorkFactory = Callable[[UUID], SecretUnitOfWork]


class SecretKeeping:
    def __init__(self, unit_of_work: SecretUnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    async def put(
        self, tenant_id: UUID, name: str, value: str, *, actor: str, version: int | None = None
    ) -> StoredSecret:
        """The secret as it is stored now; jobs that begin from here on get this value.

        Raises:
            SecretInvalid: the name or the value is none.
            PreconditionFailed: it is not at that version.
        """
        check_secret(name, value)
        async with self._unit_of_work(tenant_id) as uow:
            if version is not None:
                await _locked(uow, name, version)
            secret = await uow.secrets.put(name, value)
            detail = {"name": name, "version": secret.version}
            await uow.audit.add("secret.stored", "secret", None, actor=actor, detail=detail)
            await uow.commit("secret.put")
        return secret

    async def list(self, tenant_id: UUID) -> Sequence[StoredSecret]:
        """All that the tenant stored, by name."""
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.secrets.all()

    async def get(self, tenant_id: UUID, name: str) -> tuple[StoredSecret, Sequence[str]]:
        """The secret and the names of the jobs that refer to it. Raises StoredSecretAbsent."""
        async with self._unit_of_work(tenant_id) as uow:
            secret = await uow.secrets.get(name)
            if secret is None:
                raise StoredSecretAbsent
            return secret, await uow.secrets.used_by(name)

    async def remove(
        self, tenant_id: UUID, name: str, *, actor: str, version: int | None = None
    ) -> Sequence[str]:
        """It is gone; told are the jobs that refer to it, whose next attempts fail unless it is set elsewhere.

        Raises:
            StoredSecretAbsent: there is none of that name.
            PreconditionFailed: it is not at that version.
        """
        async with self._unit_of_work(tenant_id) as uow:
            if await _locked(uow, name, version) is None:
                raise StoredSecretAbsent
            users = await uow.secrets.used_by(name)
            await uow.secrets.remove(name)
            detail = {"name": name, "jobs": len(users)}
            await uow.audit.add("secret.removed", "secret", None, actor=actor, detail=detail)
            await uow.commit("secret.remove")
        return users


async def _locked(uow: SecretUnitOfWork, name: str, version: int | None) -> StoredSecret | None:
    secret = await uow.secrets.get(name, lock=True)
    if version is not None and (secret is None or secret.version != version):
        raise PreconditionFailed
    return secret
