"""Machines get access tokens by client credentials (RFC 6749 §4.4)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from qs.application.identity.ports import (
    AccessTokens,
    AccountDirectory,
    IdentityUnitOfWorkFactory,
    KnownClient,
    Secrets,
    SystemClock,
)
from qs.domain.identity.accounts import ServiceAccount
from qs.domain.identity.errors import BadClientCredentials, ScopeNotGranted
from qs.domain.identity.principal import Kind, Principal
from qs.domain.kernel.ids import PLATFORM_TENANT

log = structlog.get_logger()

# Compared against when there is no such client, so that its absence takes no less time to tell.
_NO_DIGEST = bytes(32)


@dataclass(frozen=True, slots=True)
class ClientGrant:
    access_token: str = field(repr=False)
    expires_in_s: int
    scopes: tuple[str, ...]


class ClientGranting:
    def __init__(
        self,
        *,
        directory: AccountDirectory,
        unit_of_work: IdentityUnitOfWorkFactory,
        access_tokens: AccessTokens,
        secrets: Secrets,
        access_ttl: timedelta,
        clock: SystemClock,
    ) -> None:
        self._directory = directory
        self._unit_of_work = unit_of_work
        self._access_tokens = access_tokens
        self._secrets = secrets
        self._access_ttl = access_ttl
        self._clock = clock

    async def grant(
        self, client_id: str, client_secret: str, scopes: Iterable[str] | None = None
    ) -> ClientGrant:
        """An access token for the service account with all its scopes, or with those asked for.

        Raises:
            BadClientCredentials: unknown, disabled, of a suspended tenant, or another secret.
            ScopeNotGranted: a scope was asked for that the account does not hold.
        """
        client = await self._directory.client(client_id)
        matches = self._secrets.matches(client_secret, client.secret_digest if client else _NO_DIGEST)
        if client is None or not matches or not client.may_enter:
            log.info("client_refused", service_account_id=client.account.id if client else None)
            raise BadClientCredentials
        await self._renew_digest(client, client_secret)
        principal = _principal(client.account)
        granted = _narrowed(principal, scopes)
        access = self._access_tokens.issue(granted, ttl=self._access_ttl, now=self._clock())
        log.info("client_token_issued", service_account_id=client.account.id, token_id=access.id)
        return ClientGrant(access.token, int(self._access_ttl.total_seconds()), tuple(sorted(granted.scopes)))

    async def _renew_digest(self, client: KnownClient, client_secret: str) -> None:
        # A digest made with a key that is on its way out is made anew, so that the key can leave the keyring.
        current = self._secrets.digest(client_secret)
        if client.secret_digest == current:
            return
        async with self._unit_of_work(client.account.tenant_id) as uow:
            await uow.service_accounts.set_secret_digest(client.account.id, current)
            await uow.audit.add(
                "service_account.secret_rekeyed",
                "service_account",
                client.account.id,
                actor=_principal(client.account).actor,
            )
            await uow.commit("client_grant.renew")


def _principal(account: ServiceAccount) -> Principal:
    return Principal(
        kind=Kind.SERVICE,
        id=str(account.id),
        tenant_id=None if account.tenant_id == PLATFORM_TENANT else account.tenant_id,
        scopes=account.scopes,
        name=account.name,
    )


def _narrowed(principal: Principal, scopes: Iterable[str] | None) -> Principal:
    if scopes is None:
        return principal
    wanted = frozenset(scopes)
    if refused := {scope for scope in wanted if not principal.may(scope)}:
        raise ScopeNotGranted(refused)
    return Principal(principal.kind, principal.id, principal.tenant_id, wanted, principal.name)
