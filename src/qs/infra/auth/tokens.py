"""Access tokens: JSON Web Tokens signed with a subkey of the keyring (RFC 7519, RFC 8725, RFC 9068)."""

import re
from base64 import urlsafe_b64decode
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Literal
from uuid import UUID

import jwt
import msgspec
from msgspec import Meta, Struct

from qs.application.identity.ports import AccessToken, TokenClaims
from qs.domain.identity.errors import TokenInvalid
from qs.domain.identity.principal import Kind, Principal
from qs.domain.identity.scopes import PLATFORM_SCOPES, SCOPES
from qs.domain.kernel.ids import IdGenerator
from qs.infra.auth.keys import Keyring, KeyUnknown

LONGEST_TOKEN = 8192
LEEWAY = timedelta(seconds=30)
_ALGORITHM = "HS256"
_TYPE = "at+jwt"
_PURPOSE = "jwt"
_COMPACT = re.compile(r"([A-Za-z0-9_-]{2,1024})\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{43}")
_REQUIRED = ["iss", "aud", "exp", "iat", "jti", "sub"]


class _Header(Struct, forbid_unknown_fields=True):
    # Nothing else is let in: crit, jku, jwk, x5u and x5c would let a token choose how it is verified.
    alg: Literal["HS256"]
    typ: Literal["at+jwt"]
    kid: Annotated[str, Meta(max_length=32)]


_Instant = Annotated[int, Meta(ge=0, le=253_402_300_799)]
"""Seconds since 1970, up to the end of the year 9999."""


class _Claims(Struct):
    sub: Annotated[str, Meta(min_length=1, max_length=64)]
    kind: Literal["user", "service", "token"]
    tenant: UUID | None
    scopes: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=64)]
    name: Annotated[str, Meta(max_length=200)]
    jti: UUID
    iat: _Instant
    exp: _Instant
    sid: UUID | None = None


_decode_header = msgspec.json.Decoder(_Header).decode


class JwtAccessTokens:
    """Issues tokens with the current key and reads those of every key in the keyring.

    The algorithm is fixed; of a token's header only the key's id is believed, and only to choose among our own keys.
    What a token said that held is remembered under its SHA-256 until the token is over, of ``remembered`` tokens.
    """

    def __init__(
        self,
        keyring: Keyring,
        *,
        issuer: str,
        audience: str,
        ids: IdGenerator,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        remembered: int = 10_000,
    ) -> None:
        """``clock`` is asked whether a token that is remembered is over."""
        self._keyring = keyring
        self._issuer = issuer
        self._audience = audience
        self._ids = ids
        self._clock = clock
        self._remembered = remembered
        self._known: OrderedDict[bytes, TokenClaims] = OrderedDict()

    def issue(
        self, principal: Principal, *, ttl: timedelta, now: datetime, session_id: UUID | None = None
    ) -> AccessToken:
        """A token that says who ``principal`` is until ``now + ttl`` (system time)."""
        token_id = self._ids()
        issued_at = now.replace(microsecond=0)
        expires_at = issued_at + ttl
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "iat": int(issued_at.timestamp()),
            "exp": int(expires_at.timestamp()),
            "jti": str(token_id),
            "sub": principal.id or str(token_id),
            "kind": principal.kind.value,
            "tenant": None if principal.tenant_id is None else str(principal.tenant_id),
            "scopes": sorted(principal.scopes),
            "name": principal.name,
        }
        if session_id is not None:
            claims["sid"] = str(session_id)
        key_id = self._keyring.current_id
        headers = {"kid": key_id, "typ": _TYPE}
        token = jwt.encode(claims, self._keyring.subkey(_PURPOSE, key_id), _ALGORITHM, headers)
        return AccessToken(token, token_id, expires_at)

    def is_ours(self, token: str) -> bool:
        """Whether its header is written as ours are; nothing is verified."""
        try:
            return len(token) <= LONGEST_TOKEN and _key_id(token) in self._keyring
        except (TokenInvalid, msgspec.MsgspecError, ValueError):
            return False

    def read(self, token: str) -> TokenClaims:
        """What a token says, once its signature, issuer, audience and times hold (30 s of leeway).

        Raises:
            TokenInvalid: any of it does not, or the token is larger than 8 KiB.
        """
        if len(token) > LONGEST_TOKEN:
            raise TokenInvalid
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is not None and self._clock() - LEEWAY < known.expires_at:
            return known
        claims = self._verified(token)
        self._known[digest] = claims
        self._known.move_to_end(digest)
        while len(self._known) > self._remembered:
            self._known.popitem(last=False)
        return claims

    def _verified(self, token: str) -> TokenClaims:
        try:
            payload = jwt.decode(
                token,
                self._keyring.subkey(_PURPOSE, _key_id(token)),
                algorithms=[_ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY,
                options={"require": _REQUIRED, "enforce_minimum_key_length": True},
            )
            return _claims(msgspec.convert(payload, _Claims))
        except (jwt.PyJWTError, msgspec.MsgspecError, ValueError, KeyUnknown):
            raise TokenInvalid from None


def _key_id(token: str) -> str:
    compact = _COMPACT.fullmatch(token)
    if compact is None:
        raise TokenInvalid
    segment = compact.group(1)
    return _decode_header(urlsafe_b64decode(segment + "=" * (-len(segment) % 4))).kid


def _claims(found: _Claims) -> TokenClaims:
    # What a platform token may say is checked again here, so that no key mistake elsewhere widens it.
    allowed = PLATFORM_SCOPES if found.tenant is None else SCOPES.keys()
    principal = Principal(
        kind=Kind(found.kind),
        id=found.sub,
        tenant_id=found.tenant,
        scopes=frozenset(found.scopes) & allowed,
        name=found.name,
    )
    return TokenClaims(
        principal=principal,
        token_id=found.jti,
        session_id=found.sid,
        issued_at=datetime.fromtimestamp(found.iat, UTC),
        expires_at=datetime.fromtimestamp(found.exp, UTC),
    )
