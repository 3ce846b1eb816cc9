"""The keys an OIDC provider signs with: its JWK set (RFC 7517), fetched, kept, and fetched again."""

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWTError

from qs.domain.identity.errors import ProviderAway, ProviderTokenRefused
from qs.infra.auth.provider_endpoint import ProviderEndpoint

log = structlog.get_logger()

FRESH_S = 600.0
STALE_S = 3600.0
"""How much longer keys are used while the provider does not answer."""
UNKNOWN_EVERY_S = 30.0
RETRY_EVERY_S = 5.0
_MOST_KEYS = 100
_LONGEST_ID = 256
_SHORTEST_RSA_BITS = 2048
# What a key of that type (and curve) may verify, and the members of it that are public.
_ALGORITHMS: dict[tuple[str, str | None], tuple[tuple[str, ...], tuple[str, ...]]] = {
    ("RSA", None): (("RS256", "PS256"), ("kty", "n", "e")),
    ("EC", "P-256"): (("ES256",), ("kty", "crv", "x", "y")),
    ("OKP", "Ed25519"): (("EdDSA",), ("kty", "crv", "x")),
}

Keys = Mapping[tuple[str, str], Any]
"""Public keys by id and algorithm."""


class ProviderKeys:
    """Looks keys up by id and algorithm. The set is kept for 10 minutes, an hour longer while the provider is away.

    An id that is not in it may belong to a new key, so the set is fetched for its sake, at most once in 30 s whatever
    ids are made up. Requests that need the same fetch wait for one.
    """

    def __init__(self, endpoint: ProviderEndpoint, monotonic: Callable[[], float]) -> None:
        self._endpoint = endpoint
        self._monotonic = monotonic
        self._keys: Keys = {}
        self._fetched_at = -math.inf
        self._tried_at = -math.inf
        self._missed_at = -math.inf
        self._is_away = False
        self._fetching = asyncio.Lock()

    async def find(self, key_id: str, algorithm: str) -> Any:
        """The public key.

        Raises:
            ProviderTokenRefused: the provider has no such key.
            ProviderAway: that cannot be told, because the provider has not answered for too long.
        """
        await self._renew()
        if self._age() >= FRESH_S + STALE_S:
            raise ProviderAway
        wanted = (key_id, algorithm)
        if wanted not in self._keys:
            await self._look_for(wanted)
        return self._keys[wanted]

    def _age(self) -> float:
        return self._monotonic() - self._fetched_at

    async def _renew(self) -> None:
        if self._age() < FRESH_S:
            return
        if self._fetching.locked() and self._age() < FRESH_S + STALE_S:
            # Somebody is at it, and what is kept will do until then.
            return
        async with self._fetching:
            if self._age() >= FRESH_S and self._monotonic() >= self._tried_at + RETRY_EVERY_S:
                await self._fetch()

    async def _look_for(self, wanted: tuple[str, str]) -> None:
        async with self._fetching:
            if wanted not in self._keys and self._monotonic() >= self._missed_at + UNKNOWN_EVERY_S:
                self._missed_at = self._monotonic()
                await self._fetch()
        if wanted in self._keys:
            return
        if self._is_away:
            raise ProviderAway
        raise ProviderTokenRefused("its key is none of the provider's")

    async def _fetch(self) -> None:
        # Dated by when it was asked for, so that a slow answer is not kept for longer.
        asked_at = self._tried_at = self._monotonic()
        try:
            keys = dict(usable_keys(await self._endpoint.ask("GET")))
        except ProviderAway:
            keys = {}
        self._is_away = not keys
        if keys:
            self._keys, self._fetched_at = keys, asked_at
        else:
            log.warning("provider_keys_not_renewed", age_s=self._age() if self._keys else None)


def usable_keys(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Any]]:
    """The keys of a JWK set that verify signatures by an algorithm we allow; all others are passed over."""
    found = document.get("keys")
    for key in found[:_MOST_KEYS] if isinstance(found, list) else ():
        if isinstance(key, dict) and _is_for_signatures(key):
            yield from _by_algorithm(key)


def _is_for_signatures(key: Mapping[str, Any]) -> bool:
    operations = key.get("key_ops")
    return (
        isinstance(key.get("kid"), str)
        and 0 < len(key["kid"]) <= _LONGEST_ID
        and key.get("use") in (None, "sig")
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
    )


def _by_algorithm(key: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Any]]:
    kind, curve = key.get("kty"), key.get("crv")
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return
    algorithms, members = _ALGORITHMS.get((kind, curve), ((), ()))
    # A private key has no business there; what it says beyond its public half is dropped.
    public = {name: value for name, value in key.items() if name in members}
    for algorithm in algorithms:
        if key.get("alg") in (None, algorithm):
            try:
                made = PyJWK.from_dict(public, algorithm).key
            except (PyJWTError, ValueError, TypeError, AttributeError):
                return
            if isinstance(made, RSAPublicKey) and made.key_size < _SHORTEST_RSA_BITS:
                return
            yield (key["kid"], algorithm), made
