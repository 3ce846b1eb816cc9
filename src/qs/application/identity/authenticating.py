"""Who a request's access token stands for, and whether they may still come in."""

from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

from qs.application.identity.ports import AccessTokens, AccountDirectory, TokenClaims
from qs.domain.identity.errors import TokenInvalid
from qs.domain.identity.principal import Kind, Principal

BELIEVED_FOR_S = 3.0


class Authentication:
    """Turns access tokens into principals.

    That the account, its tenant and its session are in good standing is looked up again after 3 s, so a disabled
    account is shut out everywhere within that time. At most ``capacity`` answers are remembered.
    """

    def __init__(
        self,
        *,
        access_tokens: AccessTokens,
        directory: AccountDirectory,
        monotonic: Callable[[], float],
        capacity: int = 10_000,
    ) -> None:
        self._access_tokens = access_tokens
        self._directory = directory
        self._monotonic = monotonic
        self._capacity = capacity
        self._in_good_standing_until: OrderedDict[object, float] = OrderedDict()

    async def authenticate(self, token: str) -> Principal:
        """The principal the token stands for.

        Raises:
            TokenInvalid: the token is not valid, or its account, tenant or session is not in good standing.
        """
        claims = self._access_tokens.read(token)
        if not await self._is_in_good_standing(claims):
            raise TokenInvalid
        return claims.principal

    async def _is_in_good_standing(self, claims: TokenClaims) -> bool:
        principal = claims.principal
        subject = (principal.kind, principal.id, principal.tenant_id, claims.session_id)
        if self._monotonic() < self._in_good_standing_until.get(subject, 0.0):
            return True
        account_id = _account_id(principal)
        if account_id is None and principal.kind is not Kind.TOKEN:
            return False
        # Asked before the answer is dated, so that a slow database never stretches how long it is believed.
        asked_at = self._monotonic()
        may_continue = await self._directory.may_continue(
            principal.kind, account_id, principal.home_tenant, claims.session_id
        )
        if may_continue:
            self._remember(subject, asked_at + BELIEVED_FOR_S)
        else:
            self._in_good_standing_until.pop(subject, None)
        return may_continue

    def _remember(self, subject: object, until: float) -> None:
        self._in_good_standing_until[subject] = until
        self._in_good_standing_until.move_to_end(subject)
        while len(self._in_good_standing_until) > self._capacity:
            self._in_good_standing_until.popitem(last=False)


def _account_id(principal: Principal) -> UUID | None:
    try:
        return UUID(principal.id)
    except ValueError:
        return None
