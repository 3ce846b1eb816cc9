"""People and machines come in with a token of the installation's identity provider."""

from collections.abc import Callable
from uuid import UUID

import structlog

from qs.application.identity.ports import AccountDirectory, ProviderTokens
from qs.application.identity.remembering import BELIEVED_FOR_S, Remembered
from qs.domain.identity.errors import ProviderTokenRefused
from qs.domain.identity.principal import Kind, Principal
from qs.domain.identity.provider_claims import ClaimRules

log = structlog.get_logger()


class ProviderTrust:
    """Believes the provider in who it is and what they may do; which tenants there are is for us to say.

    That the tenant is active is looked up again after 3 s.
    """

    def __init__(
        self,
        *,
        tokens: ProviderTokens,
        rules: ClaimRules,
        directory: AccountDirectory,
        monotonic: Callable[[], float],
    ) -> None:
        self._tokens = tokens
        self._rules = rules
        self._directory = directory
        self._tenants: Remembered[UUID] = Remembered(monotonic)

    async def recognise(self, token: str) -> Principal:
        """The principal the token stands for.

        Raises:
            TokenInvalid: the provider does not vouch for it, or it stands for nobody of an active tenant.
            ProviderAway: the provider could not be asked.
        """
        try:
            subject = self._rules.subject_of(await self._tokens.read(token))
            tenant_id = await self._active_tenant(subject.tenant)
        except ProviderTokenRefused as error:
            log.info("provider_token_refused", reason=error.reason)
            raise
        return Principal(Kind.USER, subject.id, tenant_id, subject.scopes)

    async def _active_tenant(self, named: str) -> UUID:
        if (remembered := self._tenants.get(named)) is not None:
            return remembered
        asked_at = self._tenants.now()
        tenant_id = await self._directory.active_tenant(named)
        if tenant_id is None:
            self._tenants.forget(named)
            raise ProviderTokenRefused("its tenant is none of ours, or suspended")
        self._tenants.keep(named, tenant_id, asked_at + BELIEVED_FOR_S)
        return tenant_id
