"""Who is asking, and what they may do."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT


class Kind(StrEnum):
    USER = "user"
    SERVICE = "service"
    TOKEN = "token"  # noqa: S105 - a kind of principal, not a secret
    API_KEY = "api_key"
    CLOCK = "clock"
    CLI = "cli"
    TESTEE = "testee"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. ``tenant_id`` is None for a platform account, which sees every tenant's duties."""

    kind: Kind
    id: str
    tenant_id: UUID | None
    scopes: frozenset[str]
    name: str = ""

    @property
    def is_platform(self) -> bool:
        return self.tenant_id is None

    @property
    def home_tenant(self) -> UUID:
        """The tenant that owns what this caller leaves behind: executions, audit rows, idempotency keys."""
        return self.tenant_id or PLATFORM_TENANT

    @property
    def acts_for_installation(self) -> bool:
        """Whether it speaks for all tenants: a platform account, or an administrator of the tenant qs began with."""
        return self.is_platform or (self.tenant_id == DEFAULT_TENANT and self.may("admin"))

    @property
    def actor(self) -> str:
        """How facts and audit rows name this caller."""
        return f"{self.kind}:{self.name or self.id}"

    def may(self, scope: str) -> bool:
        """Whether this caller holds ``scope``; ``admin`` holds every one."""
        return scope in self.scopes or "admin" in self.scopes

    def may_any(self, scopes: Iterable[str]) -> bool:
        """Whether this caller holds at least one of ``scopes``."""
        return any(self.may(scope) for scope in scopes)
