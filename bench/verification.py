"""`python -m bench.verification`: how long it takes to tell who is calling, for each kind of credential, in milliseconds.

Each token is another one, so that nothing but keys and tenants is remembered; of API keys and opaque tokens the answers are
as well, because that is how nearly all of their calls go. Processor time beside it, which others on the machine do not
lengthen.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import uvloop
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from qs.application.identity.authenticating import Authentication
from qs.application.identity.ports import KnownApiKey
from qs.application.identity.recognising_keys import KeyRecognition
from qs.application.identity.trusting_provider import ProviderTrust
from qs.domain.identity.api_keys import ApiKey, written_key
from qs.domain.identity.principal import Kind, Principal
from qs.domain.identity.provider_claims import ClaimRules
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.auth.introspection import IntrospectedTokens
from qs.infra.auth.keys import Keyring
from qs.infra.auth.provider_keys import ProviderKeys
from qs.infra.auth.provider_tokens import JwksTokens
from qs.infra.auth.secrets import KeyedSecrets
from qs.infra.auth.tokens import JwtAccessTokens

TOKENS = 5_000
NAMES: dict[str, str] = {"issuer": "https://login.example.org", "audience": "qs-api"}
KEYRING = Keyring.parse("bench:" + "0123456789abcdef" * 3)


class Answers:
    """Stands in for the provider and the database, which are not what is measured."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def ask(self, *_: Any) -> Any:
        return self._answer

    async def active_tenant(self, _: str) -> UUID:
        return DEFAULT_TENANT

    async def may_continue(self, *_: Any) -> bool:
        return True

    async def api_key(self, _: UUID) -> Any:
        return self._answer


def _claims() -> dict[str, Any]:
    now = int(time.time())
    names = {"iss": NAMES["issuer"], "aud": ["account", NAMES["audience"]]}
    who = {
        "sub": str(uuid4()),
        "tenant": "default",
        "scope": "openid plans:read tasks:read",
        "roles": ["viewer"],
    }
    return names | who | {"iat": now, "exp": now + 600, "jti": str(uuid4())}


def _authentication(tokens: Any, answers: Any) -> Authentication:
    provider = tokens and ProviderTrust(
        tokens=tokens, rules=ClaimRules(), directory=answers, monotonic=time.monotonic
    )
    keys: dict[str, Any] = {"directory": answers, "unit_of_work": None}
    return Authentication(
        access_tokens=JwtAccessTokens(KEYRING, issuer="qs", audience="qs", ids=uuid4),
        directory=answers,
        api_keys=KeyRecognition(
            **keys,
            secrets=KeyedSecrets(KEYRING, "api_key"),
            clock=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
        ),
        provider=provider,
        monotonic=time.monotonic,
    )


def _of_provider(algorithm: str, key: Any, public: dict[str, Any]) -> tuple[Any, list[str]]:
    answers: Any = Answers({"keys": [public | {"kid": "k", "alg": algorithm, "use": "sig"}]})
    tokens = JwksTokens(ProviderKeys(answers, time.monotonic), **NAMES)
    made = [jwt.encode(_claims(), key, algorithm, {"kid": "k", "typ": "at+jwt"}) for _ in range(TOKENS)]
    return _authentication(tokens, answers).authenticate, made


def _subjects() -> dict[str, tuple[Callable[[str], Awaitable[Any]], Sequence[str]]]:
    rsa_key, ec_key, ed_key = (
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP256R1()),
        ed25519.Ed25519PrivateKey.generate(),
    )
    rsa_public = RSAAlgorithm.to_jwk(rsa_key.public_key(), as_dict=True)
    now = datetime.now(UTC)
    issuing = JwtAccessTokens(KEYRING, issuer="qs", audience="qs", ids=uuid4)
    who = Principal(Kind.TOKEN, "", DEFAULT_TENANT, frozenset({"plans:read"}))
    own = [issuing.issue(who, ttl=timedelta(hours=1), now=now).token for _ in range(TOKENS)]
    secrets, key_id = KeyedSecrets(KEYRING, "api_key"), uuid4()
    key = written_key(key_id, secrets.mint(""))
    stored = ApiKey(
        key_id, DEFAULT_TENANT, "ci", frozenset({"plans:read"}), now, now + timedelta(days=1), now
    )
    known = Answers(KnownApiKey(stored, secrets.digest(key), may_enter=True))
    said: Any = Answers(_claims() | {"active": True})
    opaque = IntrospectedTokens(
        said, **NAMES, credentials=None, clock=lambda: datetime.now(UTC), monotonic=time.monotonic
    )
    return {
        "our own token": (_authentication(None, Answers(None)).authenticate, own),
        "API key": (_authentication(None, known).authenticate, [key] * TOKENS),
        "provider, RS256": _of_provider("RS256", rsa_key, rsa_public),
        "provider, PS256": _of_provider("PS256", rsa_key, rsa_public),
        "provider, ES256": _of_provider(
            "ES256", ec_key, ECAlgorithm.to_jwk(ec_key.public_key(), as_dict=True)
        ),
        "provider, EdDSA": _of_provider(
            "EdDSA", ed_key, OKPAlgorithm.to_jwk(ed_key.public_key(), as_dict=True)
        ),
        "provider, opaque": (_authentication(opaque, said).authenticate, ["opaque"] * TOKENS),
    }


async def _measured(
    authenticate: Callable[[str], Awaitable[Any]], tokens: Sequence[str]
) -> tuple[list[float], list[float]]:
    elapsed, used = [], []
    for token in tokens:
        begun, worked = time.perf_counter(), time.thread_time()
        await authenticate(token)
        used.append((time.thread_time() - worked) * 1000)
        elapsed.append((time.perf_counter() - begun) * 1000)
    return sorted(elapsed), sorted(used)


async def _all() -> None:
    print(f"of {TOKENS}, ms{'':9} {'p50':>8} {'p99':>8} {'CPU p50':>8} {'CPU p99':>8}")
    for name, (authenticate, tokens) in _subjects().items():
        elapsed, used = await _measured(authenticate, tokens)
        figures = [times[len(times) * share // 100] for times in (elapsed, used) for share in (50, 99)]
        print(f"{name:20} {' '.join(f'{figure:8.3f}' for figure in figures)}")


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_all())
