"""Administrators create a tenant's users, disable them, and set their passwords and roles."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from qs.application.identity.ports import (
    IdentityUnitOfWork,
    IdentityUnitOfWorkFactory,
    Passwords,
    SystemClock,
)
from qs.domain.identity.accounts import ADMINISTRATOR, User, known_roles
from qs.domain.identity.credentials import new_password, new_username, same_username
from qs.domain.identity.errors import LastAdministrator, TenantReserved, UserAbsent, UsernameTaken
from qs.domain.kernel.ids import PLATFORM_TENANT, IdGenerator

UserRef = str | UUID
"""A user by name or by id."""


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

    async def get(self, tenant_id: UUID, user_id: UUID) -> User:
        """Raises UserAbsent."""
        async with self._unit_of_work(tenant_id) as uow:
            user = await uow.users.get(user_id)
        if user is None:
            raise UserAbsent
        return user

    async def disable(self, tenant_id: UUID, who: UserRef, *, actor: str) -> User:
        """The user cannot log in any more and every session is over; disabling again changes nothing.

        Raises:
            UserAbsent: the tenant has no such user.
            LastAdministrator: nobody else administers the tenant.
        """
        async with self._unit_of_work(tenant_id) as uow:
            await _be_alone(uow)
            user = await _locked(uow, who)
            if user.is_enabled:
                await _keep_an_administrator(uow, user)
                now = self._clock()
                await uow.users.disable(user.id, now)
                await uow.sessions.end_all_of(user.id, now)
                await uow.audit.add("user.disabled", "user", user.id, actor=actor)
                user = await _locked(uow, user.id)
                await uow.commit("user.disable")
            return user

    async def set_password(self, tenant_id: UUID, who: UserRef, password: str, *, actor: str) -> User:
        """Only the new password works from now on, and every session is over.

        Raises:
            UserAbsent: the tenant has no such user.
            PasswordUnfit: the password is unfit.
        """
        username = (await self.get(tenant_id, who)).username if isinstance(who, UUID) else same_username(who)
        password_hash = await self._passwords.hash(new_password(password, username))
        async with self._unit_of_work(tenant_id) as uow:
            user = await _locked(uow, who)
            await uow.users.set_password_hash(user.id, password_hash)
            await uow.sessions.end_all_of(user.id, self._clock())
            await uow.audit.add("user.password_set", "user", user.id, actor=actor)
            await uow.commit("user.set_password")
        return user

    async def set_roles(self, tenant_id: UUID, who: UserRef, roles: Iterable[str], *, actor: str) -> User:
        """The user holds these roles and no other, and every session is over; the same roles change nothing.

        Raises:
            UserAbsent: the tenant has no such user.
            RoleUnknown: there is no such role.
            LastAdministrator: it would take the role from the only user who administers the tenant.
        """
        held = known_roles(roles)
        async with self._unit_of_work(tenant_id) as uow:
            await _be_alone(uow)
            user = await _locked(uow, who)
            if user.roles == held:
                return user
            if ADMINISTRATOR not in held:
                await _keep_an_administrator(uow, user)
            await uow.users.set_roles(user.id, held)
            # What a token allows was written into it when it was issued.
            await uow.sessions.end_all_of(user.id, self._clock())
            detail = {"roles": held, "before": user.roles}
            await uow.audit.add("user.roles_set", "user", user.id, actor=actor, detail=detail)
            user = await _locked(uow, user.id)
            await uow.commit("user.set_roles")
        return user


async def _be_alone(uow: IdentityUnitOfWork) -> None:
    # Two administrators who shut each other out at once would leave nobody.
    await uow.be_alone(f"administrators.{uow.tenant_id}")


async def _keep_an_administrator(uow: IdentityUnitOfWork, user: User) -> None:
    administers = user.is_enabled and ADMINISTRATOR in user.roles
    if administers and not await uow.users.others_with_role(ADMINISTRATOR, user.id):
        raise LastAdministrator


async def _locked(uow: IdentityUnitOfWork, who: UserRef) -> User:
    if isinstance(who, UUID):
        user = await uow.users.lock(who)
    else:
        user = await uow.users.lock_named(same_username(who))
    if user is None:
        raise UserAbsent(None if isinstance(who, UUID) else who)
    return user
