"""Who a request's credential stands for, and whether they may still come in."""

from collections.abc import Callable
from uuid import UUID

from qs.application.identity.ports import AccessTokens, AccountDirectory, TokenClaims
from qs.application.identity.recognising_keys import KeyRecognition
from qs.application.identity.remembering import BELIEVED_FOR_S, Remembered
from qs.application.identity.trusting_provider import ProviderTrust
from qs.domain.identity.api_keys import KEY_PREFIX
from qs.domain.identity.errors import TokenInvalid
from qs.domain.identity.principal import Kind, Principal


class Authentication:
    """Turns bearer credentials into principals: API keys, our own access tokens, and an identity provider's.

    With a ``provider`` people come with its tokens only, so of our own those of users are not believed any more; those
    of service accounts and of operators are. That account, tenant and session are in good standing is looked up again
    after 3 s, so a disabled account is shut out everywhere within that time.
    """

    def __init__(
        self,
        *,
        access_tokens: AccessTokens,
        directory: AccountDirectory,
        api_keys: KeyRecognition,
        provider: ProviderTrust | None,
        monotonic: Callable[[], float],
        capacity: int = 10_000,
    ) -> None:
        self._access_tokens = access_tokens
        self._directory = directory
        self._api_keys = api_keys
        self._provider = provider
        self._in_good_standing: Remembered[bool] = Remembered(monotonic, capacity)

    async def authenticate(self, token: str) -> Principal:
        """The principal the credential stands for.

        Raises:
            TokenInvalid: it is not valid, or its account, tenant or session is not in good standing.
            ProviderAway: only the provider could tell, and it does not answer.
        """
        if token.startswith(KEY_PREFIX):
            return await self._api_keys.recognise(token)
        if self._provider is None:
            return await self._owner_of(self._access_tokens.read(token))
        if not self._access_tokens.is_ours(token):
            return await self._provider.recognise(token)
        claims = self._access_tokens.read(token)
        if claims.principal.kind is Kind.USER:
            raise TokenInvalid
        return await self._owner_of(claims)

    async def _owner_of(self, claims: TokenClaims) -> Principal:
        principal = claims.principal
        subject = (principal.kind, principal.id, principal.tenant_id, claims.session_id)
        if self._in_good_standing.get(subject):
            return principal
        account_id = _account_id(principal)
        if account_id is None and principal.kind is not Kind.TOKEN:
            raise TokenInvalid
        # Asked before the answer is dated, so that a slow database never stretches how long it is believed.
        asked_at = self._in_good_standing.now()
        may_continue = await self._directory.may_continue(
            principal.kind, account_id, principal.home_tenant, claims.session_id
        )
        if not may_continue:
            self._in_good_standing.forget(subject)
            raise TokenInvalid
        self._in_good_standing.keep(subject, True, asked_at + BELIEVED_FOR_S)
        return principal


def _account_id(principal: Principal) -> UUID | None:
    try:
        return UUID(principal.id)
    except ValueError:
        return None
