"""How settings become the things that know who is calling; the container says what goes with what."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from qs.application.identity.authenticating import Authentication
from qs.application.identity.logging_in import SessionTerms
from qs.application.identity.pacing import AttemptPacing, Pacing
from qs.application.identity.ports import (
    AccessTokens,
    AccountDirectory,
    IdentityUnitOfWorkFactory,
    ProviderTokens,
    Secrets,
    SystemClock,
)
from qs.application.identity.recognising_keys import KeyRecognition
from qs.application.identity.trusting_provider import ProviderTrust
from qs.domain.identity.provider_claims import ClaimRules
from qs.domain.kernel.ids import IdGenerator
from qs.infra.auth.introspection import IntrospectedTokens
from qs.infra.auth.keys import Keyring
from qs.infra.auth.provider_endpoint import ANYWHERE, ProviderEndpoint
from qs.infra.auth.provider_keys import ProviderKeys
from qs.infra.auth.provider_tokens import JwksTokens
from qs.infra.auth.secrets import KeyedSecrets
from qs.infra.auth.tokens import JwtAccessTokens
from qs.infra.http.guarded import GuardedClient
from qs.infra.identity.pacing import RedisPacing
from qs.infra.redis.quick import QuickRedis
from qs.settings import Settings

_OUR_NAME = "qs"


def make_access_tokens(settings: Settings, keyring: Keyring, ids: IdGenerator) -> JwtAccessTokens:
    """Our own tokens, which never bear the name of a provider."""
    auth = settings.auth
    issuer = auth.issuer if auth.mode == "builtin" else None
    return JwtAccessTokens(keyring, issuer=issuer or _OUR_NAME, audience=auth.audience or _OUR_NAME, ids=ids)


def session_terms(settings: Settings) -> SessionTerms:
    """How long what a login gives lasts."""
    auth = settings.auth
    return SessionTerms(timedelta(seconds=auth.access_ttl_s), timedelta(auth.refresh_ttl_days))


def make_pacing(
    settings: Settings, redis: QuickRedis, keyring: Keyring, monotonic: Callable[[], float]
) -> Pacing:
    """What spaces out tries to log in, over all processes where there is a Redis."""
    local = AttemptPacing(monotonic)
    if settings.redis.url is None:
        return local
    return RedisPacing(redis, local, KeyedSecrets(keyring, "login_attempt"))


def make_provider_client(settings: Settings) -> GuardedClient:
    """Calls the identity provider, wherever the operator says it is."""
    return GuardedClient(ANYWHERE, ca_file=settings.auth.ca_file)


def make_authentication(
    settings: Settings,
    *,
    access_tokens: AccessTokens,
    directory: AccountDirectory,
    unit_of_work: IdentityUnitOfWorkFactory,
    key_secrets: Secrets,
    client: GuardedClient,
    clock: SystemClock,
    monotonic: Callable[[], float],
) -> Authentication:
    """What turns credentials into principals, in the mode of the settings."""
    api_keys = KeyRecognition(
        directory=directory,
        unit_of_work=unit_of_work,
        secrets=key_secrets,
        clock=clock,
        monotonic=monotonic,
    )
    provider = None
    if (tokens := _provider_tokens(settings, client, clock, monotonic)) is not None:
        provider = ProviderTrust(
            tokens=tokens, rules=_claim_rules(settings), directory=directory, monotonic=monotonic
        )
    return Authentication(
        access_tokens=access_tokens,
        directory=directory,
        api_keys=api_keys,
        provider=provider,
        monotonic=monotonic,
    )


def _provider_tokens(
    settings: Settings, client: GuardedClient, clock: SystemClock, monotonic: Callable[[], float]
) -> ProviderTokens | None:
    auth = settings.auth
    # That the addresses are there was checked when the settings were read.
    names: dict[str, Any] = {"issuer": auth.issuer or "", "audience": auth.audience or ""}
    if auth.mode == "jwks":
        keys = ProviderKeys(ProviderEndpoint(client, auth.jwks_url or ""), monotonic)
        return JwksTokens(keys, **names)
    if auth.mode == "introspection":
        pair = (auth.client_id, auth.client_secret)
        return IntrospectedTokens(
            ProviderEndpoint(client, auth.introspection_url or ""),
            **names,
            credentials=(pair[0], pair[1]) if pair[0] is not None and pair[1] is not None else None,
            clock=clock,
            monotonic=monotonic,
        )
    return None


def _claim_rules(settings: Settings) -> ClaimRules:
    auth = settings.auth
    return ClaimRules(auth.tenant_claim, auth.default_tenant, auth.roles_claim, auth.role_prefix or "")
