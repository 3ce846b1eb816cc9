"""Access tokens of an OIDC provider: JSON Web Tokens that its published keys verify (RFC 7519, RFC 8725, RFC 9068)."""

import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

import jwt
import msgspec
from msgspec import UNSET, Meta, Struct

from qs.domain.identity.errors import ProviderTokenRefused
from qs.infra.auth.provider_keys import ProviderKeys

LONGEST_TOKEN = 8192
LEEWAY = timedelta(seconds=30)
_COMPACT = re.compile(r"([A-Za-z0-9_-]{2,2048})\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{2,}")
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})


class _Header(Struct):
    alg: Literal["RS256", "PS256", "ES256", "EdDSA"]
    kid: Annotated[str, Meta(min_length=1, max_length=256)]
    typ: Annotated[str, Meta(max_length=64)] = "JWT"
    # These would let a token choose how it is verified.
    crit: Any = UNSET
    jku: Any = UNSET
    jwk: Any = UNSET
    x5u: Any = UNSET
    x5c: Any = UNSET
    b64: Any = UNSET
    zip: Any = UNSET


_decode_header = msgspec.json.Decoder(_Header).decode


class JwksTokens:
    """Believes a token whose signature, issuer, audience and times hold (30 s of leeway), and nothing else it says."""

    def __init__(self, keys: ProviderKeys, *, issuer: str, audience: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience

    async def read(self, token: str) -> Mapping[str, Any]:
        """The token's claims.

        Raises:
            ProviderTokenRefused: any of it does not hold, or the token is larger than 8 KiB.
            ProviderAway: the keys cannot be had.
        """
        header = _header(token)
        key = await self._keys.find(header.kid, header.alg)
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[header.alg],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY,
                options={"require": ["iss", "aud", "exp", "sub"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise ProviderTokenRefused(type(error).__name__) from None
        if "cnf" in claims:
            # RFC 7800: the proof that its sender holds the key is not looked at here.
            raise ProviderTokenRefused("it is bound to a key of its sender, so it is no bearer token")
        if "at_hash" in claims or claims.get("typ") in ("ID", "Refresh", "Logout"):
            # Keycloak says so in the payload; an ID token is for the client that it names.
            raise ProviderTokenRefused("it is a token of the provider, and no access token")
        return claims


def _header(token: str) -> _Header:
    if len(token) > LONGEST_TOKEN:
        raise ProviderTokenRefused("it is larger than 8 KiB")
    compact = _COMPACT.fullmatch(token)
    if compact is None:
        raise ProviderTokenRefused("it is no signed JWT in compact form")
    segment = compact.group(1)
    try:
        header = _decode_header(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise ProviderTokenRefused("its header is none of an allowed algorithm with a key id") from None
    steering = (header.crit, header.jku, header.jwk, header.x5u, header.x5c, header.b64, header.zip)
    if any(each is not UNSET for each in steering):
        raise ProviderTokenRefused("its header says how it should be verified")
    if header.typ.lower() not in _TYPES:
        raise ProviderTokenRefused("its type is not that of an access token")
    return header
