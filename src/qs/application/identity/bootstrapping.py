"""The first administrator, without whom nobody could create another."""

import secrets
from dataclasses import dataclass, field

from qs.application.identity.ports import IdentityUnitOfWorkFactory, Passwords
from qs.domain.identity.accounts import ADMINISTRATOR
from qs.domain.identity.credentials import new_password, new_username
from qs.domain.identity.errors import UsernameTaken
from qs.domain.kernel.ids import DEFAULT_TENANT, IdGenerator

_NAME = "admin"


@dataclass(frozen=True, slots=True)
class FirstAdministrator:
    """Who was created. ``generated_password`` is to be shown once; None where the operator chose it."""

    username: str
    generated_password: str | None = field(repr=False)


class Bootstrap:
    def __init__(
        self, *, unit_of_work: IdentityUnitOfWorkFactory, passwords: Passwords, ids: IdGenerator
    ) -> None:
        self._unit_of_work = unit_of_work
        self._passwords = passwords
        self._ids = ids

    async def ensure_administrator(
        self, username: str | None, password: str | None, *, may_generate: bool
    ) -> FirstAdministrator | None:
        """An administrator of the default tenant, where it never had one; None where it has.

        With neither name nor password one is made up if ``may_generate`` allows, which is for development on
        loopback only. Processes that start at once create one between them.

        Raises:
            UsernameUnfit, PasswordUnfit: the pair given is unfit.
            UsernameTaken: somebody who is no administrator of the default tenant has that name.
        """
        chosen = username is not None and password is not None
        if not chosen and not may_generate:
            return None
        async with self._unit_of_work(DEFAULT_TENANT) as uow:
            await uow.be_alone("first_administrator")
            if await uow.users.any_with_role(ADMINISTRATOR):
                return None
            name = new_username(username or ADMINISTRATOR)
            text = new_password(password or secrets.token_urlsafe(12), name)
            user_id = self._ids()
            if not await uow.users.add(user_id, name, await self._passwords.hash(text), [ADMINISTRATOR]):
                raise UsernameTaken(name)
            detail = {"username": name, "roles": [ADMINISTRATOR]}
            await uow.audit.add("user.created", "user", user_id, actor="system:bootstrap", detail=detail)
            await uow.commit("bootstrap")
        return FirstAdministrator(name, None if chosen else text)
