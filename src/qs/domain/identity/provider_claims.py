"""Who a token of an identity provider stands for here: subject, tenant, scopes and roles out of its claims."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qs.domain.identity.errors import ProviderTokenRefused
from qs.domain.identity.scopes import SCOPES, scopes_of

LONGEST_SUBJECT = 255
"""OpenID Connect Core 1.0, section 2."""
_LONGEST_TENANT = 64
# What OAuth servers call it: RFC 9068 the first, Hydra and Entra ID the second.
_SCOPE_CLAIMS = ("scope", "scp")


@dataclass(frozen=True, slots=True)
class ProviderSubject:
    """``tenant`` is a short name or an id as the provider wrote it, which may be none of ours."""

    id: str
    tenant: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """Where this installation's provider puts what we need.

    ``roles_claim`` and ``tenant_claim`` are the name of a claim or a path with dots into nested ones
    (``realm_access.roles``). Of the roles only those count that begin with ``role_prefix``, without which they are
    looked up. ``default_tenant`` is whose tokens are that name no tenant; without it they are refused.
    """

    tenant_claim: str = "tenant"
    default_tenant: str | None = None
    roles_claim: str = "roles"
    role_prefix: str = ""

    def subject_of(self, claims: Mapping[str, Any]) -> ProviderSubject:
        """Whom verified claims tell of. Scopes and roles that are none of ours are passed over.

        Raises:
            ProviderTokenRefused: there is no usable subject or no tenant.
        """
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
            raise ProviderTokenRefused("it names no subject of 1 to 255 characters")
        if not subject.isprintable():
            raise ProviderTokenRefused("its subject holds control characters")
        scopes = frozenset(word for claim in _SCOPE_CLAIMS for word in _words(claims.get(claim)))
        return ProviderSubject(
            subject, self._tenant_of(claims), (scopes & SCOPES.keys()) | scopes_of(self._roles_of(claims))
        )

    def _tenant_of(self, claims: Mapping[str, Any]) -> str:
        tenant = _at(claims, self.tenant_claim)
        if tenant is None:
            tenant = self.default_tenant
        if tenant is None:
            raise ProviderTokenRefused("it names no tenant, and there is no auth.default_tenant")
        if not isinstance(tenant, str) or not 0 < len(tenant) <= _LONGEST_TENANT:
            raise ProviderTokenRefused("its tenant is not one short text")
        return tenant

    def _roles_of(self, claims: Mapping[str, Any]) -> Iterator[str]:
        for role in _words(_at(claims, self.roles_claim)):
            if role.startswith(self.role_prefix):
                yield role.removeprefix(self.role_prefix)


def _at(claims: Mapping[str, Any], path: str) -> Any:
    # The whole name first: claims that must not collide are named by addresses, which hold dots.
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def _words(value: Any) -> Iterator[str]:
    """The words of a text with blanks between, or the texts of a list."""
    if isinstance(value, str):
        yield from value.split(" ")
    elif isinstance(value, list):
        yield from (each for each in value if isinstance(each, str))
