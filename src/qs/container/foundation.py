"""What everything else is made with: the servers, the keys, and who comes in."""

from datetime import UTC, datetime
from time import monotonic

from dependency_injector import containers, providers

from qs import making, making_identity, making_keys
from qs.application.identity.administering_api_keys import ApiKeyAdministration
from qs.application.identity.administering_service_accounts import ServiceAccountAdministration
from qs.application.identity.administering_tenants import TenantAdministration
from qs.application.identity.administering_users import UserAdministration
from qs.application.identity.bootstrapping import Bootstrap
from qs.application.identity.browser_sessions import BrowserSessions
from qs.application.identity.granting import ClientGranting
from qs.application.identity.issuing import TokenIssuing
from qs.application.identity.logging_in import Login, NoLogin
from qs.application.kernel.business_time import ClockAdvancing
from qs.infra.auth.cipher import Cipher
from qs.infra.auth.keys import Keyring
from qs.infra.auth.passwords import Argon2Passwords
from qs.infra.auth.sealed_sessions import SealedSessions
from qs.infra.auth.secrets import KeyedSecrets
from qs.infra.identity.directory import SqlAccountDirectory
from qs.infra.identity.unit_of_work import IdentityUnitsOfWork
from qs.infra.postgres.business_clock import SqlBusinessClock
from qs.infra.postgres.failures import translate
from qs.infra.postgres.idempotency_keys import SqlIdempotencyKeys
from qs.infra.postgres.ids import new_id
from qs.infra.redis.quick import QuickRedis
from qs.settings import Settings


class Foundation(containers.DeclarativeContainer):
    """The part of the container that stands on nothing else of it."""

    settings = providers.Dependency(instance_of=Settings)

    # PostgreSQL
    engine = providers.Singleton(making.make_engine, settings)

    clock_advancing = providers.Singleton(
        lambda engine, settings: ClockAdvancing(SqlBusinessClock(engine), settings.env), engine, settings
    )

    # Redis
    redis = providers.Singleton(making.make_redis, settings)
    quick_redis = providers.Singleton(QuickRedis, redis.provider, settings.provided.limits.patience_s)

    # http
    translate_failure = providers.Object(translate)

    # keys
    keyring = providers.Singleton(lambda settings: Keyring.parse(settings.secret_key or ""), settings)
    personal_cipher = providers.Singleton(Cipher, keyring, "personal")
    idempotency_keys = providers.Singleton(
        SqlIdempotencyKeys, engine, providers.Singleton(Cipher, keyring, "idempotency")
    )

    request_digests = providers.Singleton(KeyedSecrets, keyring, "request")

    new_id = providers.Object(new_id)
    system_time = providers.Object(lambda: datetime.now(UTC))

    # identity
    passwords = providers.Singleton(Argon2Passwords)
    account_directory = providers.Singleton(SqlAccountDirectory, engine)
    identity_uow = providers.Singleton(IdentityUnitsOfWork, engine, personal_cipher)
    _account_secrets = providers.Singleton(KeyedSecrets, keyring, "service_account")
    _key_secrets = providers.Singleton(KeyedSecrets, keyring, "api_key")
    access_tokens = providers.Singleton(making_identity.make_access_tokens, settings, keyring, new_id)
    provider_http = providers.Singleton(making_identity.make_provider_client, settings)
    monotonic_time = providers.Object(monotonic)
    rate_limits = providers.Singleton(making.make_rate_limits, settings, quick_redis, monotonic_time)
    authentication = providers.Singleton(
        making_identity.make_authentication,
        settings,
        access_tokens=access_tokens,
        directory=account_directory,
        unit_of_work=identity_uow,
        key_secrets=_key_secrets,
        client=provider_http,
        clock=system_time,
        monotonic=monotonic_time,
    )
    _session_terms = providers.Singleton(making_identity.session_terms, settings)
    _own_login = providers.Singleton(
        Login,
        directory=account_directory,
        unit_of_work=identity_uow,
        passwords=passwords,
        access_tokens=access_tokens,
        secrets=providers.Singleton(KeyedSecrets, keyring, "refresh"),
        pacing=providers.Singleton(
            making_identity.make_pacing, settings, quick_redis, keyring, monotonic_time
        ),
        terms=_session_terms,
        clock=system_time,
        ids=new_id,
    )
    _no_login = providers.Singleton(NoLogin)
    login = providers.Selector(
        settings.provided.auth.mode, builtin=_own_login, jwks=_no_login, introspection=_no_login
    )
    browser_sessions = providers.Singleton(
        BrowserSessions,
        login=login,
        authentication=authentication,
        seal=providers.Singleton(SealedSessions, providers.Singleton(Cipher, keyring, "browser_session")),
        clock=system_time,
    )
    client_granting = providers.Singleton(
        ClientGranting,
        directory=account_directory,
        unit_of_work=identity_uow,
        access_tokens=access_tokens,
        secrets=_account_secrets,
        access_ttl=_session_terms.provided.access_ttl,
        clock=system_time,
    )
    tenant_administration = providers.Singleton(
        TenantAdministration,
        directory=account_directory,
        unit_of_work=identity_uow,
        ids=new_id,
        addresses=providers.Singleton(making.make_apprise, settings),
        passwords=passwords,
        by_password=providers.Callable(lambda settings: settings.auth.mode == "builtin", settings),
    )
    _administering = {"unit_of_work": identity_uow, "clock": system_time, "ids": new_id}  # noqa: RUF012 - never changed
    user_administration = providers.Singleton(UserAdministration, passwords=passwords, **_administering)
    service_account_administration = providers.Singleton(
        ServiceAccountAdministration, secrets=_account_secrets, **_administering
    )
    api_key_administration = providers.Singleton(ApiKeyAdministration, secrets=_key_secrets, **_administering)
    token_issuing = providers.Singleton(
        TokenIssuing, unit_of_work=identity_uow, access_tokens=access_tokens, clock=system_time
    )
    bootstrap = providers.Singleton(Bootstrap, unit_of_work=identity_uow, passwords=passwords, ids=new_id)

    secret_uow = providers.Singleton(making_keys.make_secret_units, engine, keyring)
    key_rotation = providers.Singleton(making_keys.make_key_rotation, engine, keyring, account_directory)
