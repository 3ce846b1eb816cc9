"""Operators issue access tokens by hand, for scripts and first steps."""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from qs.application.identity.ports import AccessToken, AccessTokens, IdentityUnitOfWorkFactory, SystemClock
from qs.domain.identity.errors import TenantReserved
from qs.domain.identity.principal import Kind, Principal
from qs.domain.identity.scopes import grantable
from qs.domain.kernel.ids import PLATFORM_TENANT


class TokenIssuing:
    def __init__(
        self, *, unit_of_work: IdentityUnitOfWorkFactory, access_tokens: AccessTokens, clock: SystemClock
    ) -> None:
        self._unit_of_work = unit_of_work
        self._access_tokens = access_tokens
        self._clock = clock

    async def issue(
        self, tenant_id: UUID, scopes: Iterable[str], ttl: timedelta, *, actor: str
    ) -> AccessToken:
        """A token of the tenant that stands for itself; it works until it expires or its tenant is suspended.

        Raises:
            ScopeUnknown: a scope does not exist.
            TenantReserved: the platform's tokens are those of its service accounts.
        """
        if tenant_id == PLATFORM_TENANT:
            raise TenantReserved
        held = grantable(scopes)
        principal = Principal(Kind.TOKEN, id="", tenant_id=tenant_id, scopes=held)
        token = self._access_tokens.issue(principal, ttl=ttl, now=self._clock())
        async with self._unit_of_work(tenant_id) as uow:
            detail = {"scopes": sorted(held), "expires_at": token.expires_at}
            await uow.audit.add("token.issued", "token", token.id, actor=actor, detail=detail)
            await uow.commit("token.issue")
        return token
