"""Operators create a tenant's users, disable them and set their passwords."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from qs.application.identity.ports import (
    IdentityUnitOfWork,
    IdentityUnitOfWorkFactory,
    Passwords,
    SystemClock,
)
from qs.domain.identity.accounts import User, known_roles
from qs.domain.identity.credentials import new_password, new_username, same_username
from qs.domain.identity.errors import TenantReserved, UserAbsent, UsernameTaken
from qs.domain.kernel.ids import PLATFORM_TENANT, IdGenerator


class UserAdministration:
    def __init__(
        self,
        *,
        unit_of_work: IdentityUnitOfWorkFactory,
        passwords: Passwords,
        clock: SystemClock,
        ids: IdGenerator,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._passwords = passwords
        self._clock = clock
        self._ids = ids

    async def create(
        self, tenant_id: UUID, username: str, password: str, roles: Iterable[str], *, actor: str
    ) -> User:
        """A new user of the tenant.

        Raises:
            UsernameUnfit, PasswordUnfit, RoleUnknown: a field is unfit.
            UsernameTaken: somebody has that name, in whichever tenant.
            TenantReserved: the platform has no users.
        """
        if tenant_id == PLATFORM_TENANT:
            raise TenantReserved
        username = new_username(username)
        held = known_roles(roles)
        password_hash = await self._passwords.hash(new_password(password, username))
        user_id = self._ids()
        async with self._unit_of_work(tenant_id) as uow:
            if not await uow.users.add(user_id, username, password_hash, held):
                raise UsernameTaken(username)
            detail = {"username": username, "roles": held}
            await uow.audit.add("user.created", "user", user_id, actor=actor, detail=detail)
            user = await _locked(uow, username)
            await uow.commit("user.create")
        return user

    async def list(self, tenant_id: UUID) -> Sequence[User]:
        """All users of the tenant by name, disabled ones too."""
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.users.all()

    async def disable(self, tenant_id: UUID, username: str, *, actor: str) -> User:
        """The user cannot log in any more and every session is over; disabling again changes nothing.

        Raises:
            UserAbsent: the tenant has no such user.
        """
        async with self._unit_of_work(tenant_id) as uow:
            user = await _locked(uow, username)
            if user.is_enabled:
                now = self._clock()
                await uow.users.disable(user.id, now)
                await uow.sessions.end_all_of(user.id, now)
                await uow.audit.add("user.disabled", "user", user.id, actor=actor)
                user = await _locked(uow, username)
                await uow.commit("user.disable")
            return user

    async def set_password(self, tenant_id: UUID, username: str, password: str, *, actor: str) -> User:
        """Only the new password works from now on, and every session is over.

        Raises:
            UserAbsent: the tenant has no such user.
            PasswordUnfit: the password is unfit.
        """
        password_hash = await self._passwords.hash(new_password(password, same_username(username)))
        async with self._unit_of_work(tenant_id) as uow:
            user = await _locked(uow, username)
            await uow.users.set_password_hash(user.id, password_hash)
            await uow.sessions.end_all_of(user.id, self._clock())
            await uow.audit.add("user.password_set", "user", user.id, actor=actor)
            await uow.commit("user.set_password")
        return user


async def _locked(uow: IdentityUnitOfWork, username: str) -> User:
    user = await uow.users.lock_named(same_username(username))
    if user is None:
        raise UserAbsent(username)
    return user
