"""Who can get in: users with a password, and service accounts, which are machines with a secret."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from qs.domain.identity.errors import RoleUnknown, ServiceAccountInvalid
from qs.domain.identity.scopes import ROLES
from qs.domain.kernel.errors import Problem

ADMINISTRATOR = "admin"
"""The role without whose holders nobody could let anybody in."""

_ACCOUNT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class User:
    """A person of one tenant. ``disabled_at`` is system time; None while the user may log in."""

    id: UUID
    tenant_id: UUID
    username: str
    roles: tuple[str, ...]
    created_at: datetime
    disabled_at: datetime | None = None

    @property
    def is_enabled(self) -> bool:
        return self.disabled_at is None


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A machine's account; ``tenant_id`` is the platform's reserved tenant for one that serves all tenants."""

    id: UUID
    tenant_id: UUID
    name: str
    client_id: str
    scopes: frozenset[str]
    created_at: datetime
    disabled_at: datetime | None = None

    @property
    def is_enabled(self) -> bool:
        return self.disabled_at is None


def known_roles(roles: Iterable[str]) -> tuple[str, ...]:
    """The same roles, each once, in order of the table of roles. Raises RoleUnknown."""
    wanted = frozenset(roles)
    if unknown := sorted(wanted - ROLES.keys()):
        raise RoleUnknown(unknown, ROLES)
    return tuple(role for role in ROLES if role in wanted)


def new_account_name(name: str) -> str:
    """The same name, fit for a service account. Raises ServiceAccountInvalid."""
    if not _ACCOUNT_NAME.fullmatch(name):
        detail = "must be 1 to 63 letters, digits and . _ -, and begin with a letter or digit"
        raise ServiceAccountInvalid([Problem("/name", detail)])
    return name
