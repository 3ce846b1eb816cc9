"""What the identity context needs from outside."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from qs.application.kernel.unit_of_work import UnitOfWork
from qs.domain.identity.accounts import ServiceAccount, User
from qs.domain.identity.api_keys import ApiKey
from qs.domain.identity.principal import Kind, Principal
from qs.domain.identity.session import RefreshToken
from qs.domain.identity.tenant import Tenant

SystemClock = Callable[[], datetime]
"""Returns system time (aware, UTC), which access tokens and sessions live by."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed token. It is a credential and is left out of representations."""

    token: str = field(repr=False)
    id: UUID
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a valid access token says. ``session_id`` is the family of refresh tokens it came with, if any."""

    principal: Principal
    token_id: UUID
    session_id: UUID | None
    issued_at: datetime
    expires_at: datetime


class AccessTokens(Protocol):
    def issue(
        self, principal: Principal, *, ttl: timedelta, now: datetime, session_id: UUID | None = None
    ) -> AccessToken: ...

    def is_ours(self, token: str) -> bool:
        """Whether it looks like one of these; nothing is verified."""
        ...

    def read(self, token: str) -> TokenClaims:
        """Raises TokenInvalid."""
        ...


class StaffAddresses(Protocol):
    """Addresses of staff that this installation may write to, apart from e-mail."""

    async def problems(self, addresses: Sequence[str]) -> Sequence[str | None]:
        """Of each address why nothing can be sent there, or None; nothing is sent."""
        ...


class ProviderTokens(Protocol):
    """Access tokens that somebody else issues."""

    async def read(self, token: str) -> Mapping[str, Any]:
        """The claims the provider vouches for: meant for us, of this moment.

        Raises:
            ProviderTokenRefused: it does not vouch for the token.
            ProviderAway: it could not be asked.
        """
        ...


class Passwords(Protocol):
    async def hash(self, password: str) -> str: ...

    async def verify(self, password: str, stored: str | None) -> bool:
        """Takes the same time without a stored hash, and is false then."""
        ...

    def is_outdated(self, stored: str) -> bool: ...


class Secrets(Protocol):
    """Random secrets that are shown once and stored as a keyed digest."""

    def mint(self, prefix: str) -> str: ...

    def digest(self, secret: str) -> bytes: ...

    def digests(self, secret: str) -> Sequence[bytes]: ...

    def matches(self, secret: str, digest: bytes) -> bool: ...


@dataclass(frozen=True, slots=True)
class KnownUser:
    """What a login is checked against."""

    id: UUID
    tenant_id: UUID
    password_hash: str = field(repr=False)
    may_enter: bool


@dataclass(frozen=True, slots=True)
class KnownClient:
    """What a client's credentials are checked against."""

    account: ServiceAccount
    secret_digest: bytes = field(repr=False)
    may_enter: bool


@dataclass(frozen=True, slots=True)
class KnownApiKey:
    """What an API key is checked against."""

    key: ApiKey
    secret_digest: bytes = field(repr=False)
    may_enter: bool


class AccountDirectory(Protocol):
    """Looks up across tenants, before a tenant is known. It changes nothing."""

    async def user(self, username: str) -> KnownUser | None: ...

    async def client(self, client_id: str) -> KnownClient | None: ...

    async def refresh_token(self, digests: Sequence[bytes]) -> tuple[UUID, UUID] | None:
        """The tenant and the id of the refresh token with one of the digests, if its tenant is active."""
        ...

    async def may_continue(
        self, kind: Kind, account_id: UUID | None, tenant_id: UUID, session_id: UUID | None
    ) -> bool:
        """Whether tenant, account and session are all still in good standing."""
        ...

    async def api_key(self, key_id: UUID) -> KnownApiKey | None: ...

    async def tenant_id(self, slug: str) -> UUID | None: ...

    async def active_tenant(self, named: str) -> UUID | None:
        """The active tenant of that short name or id, which the platform's reserved one never is."""
        ...

    async def tenants(self) -> Sequence[Tenant]:
        """All tenants but the platform's reserved one, by slug, without their contacts."""
        ...


class TenantRepository(Protocol):
    async def add(self, tenant: Tenant) -> bool:
        """False, and nothing written, where the slug is taken."""
        ...

    async def get(self) -> Tenant | None:
        """The unit of work's own tenant."""
        ...

    async def save(self, tenant: Tenant) -> bool:
        """Whether it was written, under the next version; not where somebody else saved it since it was read."""
        ...


class ZonePeriods(Protocol):
    async def change_to(self, timezone: str, now: datetime) -> None:
        """The tenant's dates are counted in the zone from its next civil date on."""
        ...


class UserRepository(Protocol):
    async def add(self, user_id: UUID, username: str, password_hash: str, roles: Sequence[str]) -> bool:
        """False, and nothing written, where the name is taken in any tenant."""
        ...

    async def get(self, user_id: UUID) -> User | None: ...

    async def lock(self, user_id: UUID) -> User | None:
        """The user, whose sessions nobody else begins or ends until this unit of work is over."""
        ...

    async def lock_named(self, username: str) -> User | None: ...

    async def all(self) -> Sequence[User]: ...

    async def set_password_hash(self, user_id: UUID, password_hash: str) -> None: ...

    async def disable(self, user_id: UUID, at: datetime) -> None: ...

    async def set_roles(self, user_id: UUID, roles: Sequence[str]) -> None: ...

    async def others_with_role(self, role: str, user_id: UUID) -> bool:
        """Whether somebody else holds the role and may log in."""
        ...

    async def any_with_role(self, role: str) -> bool: ...


class SessionRepository(Protocol):
    """Refresh tokens. Whoever changes them has locked their user first."""

    async def add(self, token: RefreshToken, digest: bytes) -> None: ...

    async def get(self, token_id: UUID) -> RefreshToken | None: ...

    async def mark_used(self, token_id: UUID, at: datetime) -> None: ...

    async def end_family(self, family: UUID, at: datetime) -> None: ...

    async def end_all_of(self, user_id: UUID, at: datetime) -> None: ...

    async def forget_expired_of(self, user_id: UUID, at: datetime) -> None: ...


class ServiceAccountRepository(Protocol):
    async def add(self, account: ServiceAccount, secret_digest: bytes) -> bool:
        """False, and nothing written, where the tenant has an account of that name."""
        ...

    async def get(self, account_id: UUID) -> ServiceAccount | None: ...

    async def lock(self, account_id: UUID) -> ServiceAccount | None:
        """The account, which nobody else changes until this unit of work is over."""
        ...

    async def lock_named(self, name: str) -> ServiceAccount | None: ...

    async def all(self) -> Sequence[ServiceAccount]: ...

    async def set_secret_digest(self, account_id: UUID, digest: bytes) -> None: ...

    async def disable(self, account_id: UUID, at: datetime) -> None: ...


class ApiKeyRepository(Protocol):
    async def add(self, key: ApiKey, secret_digest: bytes) -> None: ...

    async def get(self, key_id: UUID) -> ApiKey | None: ...

    async def lock(self, key_id: UUID) -> ApiKey | None:
        """The key, which nobody else revokes until this unit of work is over."""
        ...

    async def named(self, name: str) -> Sequence[ApiKey]: ...

    async def all(self) -> Sequence[ApiKey]: ...

    async def note_use(self, key_id: UUID, used_at: datetime | None, secret_digest: bytes) -> None:
        """Notes the later of ``used_at`` and what was noted before, and the digest under the current key."""
        ...

    async def revoke(self, key_id: UUID, at: datetime) -> None: ...


class StarterScales(Protocol):
    async def add(self) -> None:
        """Gives a new tenant the published scales every tenant begins with."""
        ...


class IdentityUnitOfWork(UnitOfWork, Protocol):
    tenants: TenantRepository
    zones: ZonePeriods
    users: UserRepository
    sessions: SessionRepository
    service_accounts: ServiceAccountRepository
    api_keys: ApiKeyRepository
    starter_scales: StarterScales

    async def be_alone(self, subject: str) -> None:
        """Waits until no other unit of work holds ``subject``, and holds it until this one is over."""
        ...


IdentityUnitOfWorkFactory = Callable[[UUID], IdentityUnitOfWork]
