"""Tokens in an identity provider's name that must never be believed, each for a reason of its own."""

import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWK

from qs.domain.identity.principal import Kind, Principal
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from qs.infra.auth.keys import Keyring
from qs.infra.auth.tokens import JwtAccessTokens
from tests.support.provider_process import AUDIENCE, ISSUER, Provider, claims, encoded, new_key
from tests.support.settings import SECRET_KEY

Broken = Callable[[Provider], str]

_STRANGER = new_key("first")
_ELLIPTIC = new_key("first", "ES256")


def _said(**changed: Any) -> Broken:
    return lambda provider: provider.signed(claims(**changed))


def _headed(**header: Any) -> Broken:
    return lambda provider: provider.signed(claims(), **header)


def _raw(payload: bytes) -> Broken:
    return lambda provider: provider.signed(payload)


def _now(seconds: int = 0) -> int:
    return int(time.time()) + seconds


def _begun_with(header: bytes) -> Broken:
    return lambda provider: f"{encoded(header)}.{provider.signed(claims()).partition('.')[2]}"


def _altered(part: int, at: int = 5) -> Broken:
    def alter(provider: Provider) -> str:
        parts = provider.signed(claims()).split(".")
        other = "B" if parts[part][at] != "B" else "C"
        parts[part] = parts[part][:at] + other + parts[part][at + 1 :]
        return ".".join(parts)

    return alter


def _hmac_with_the_public_key(provider: Provider) -> str:
    public = PyJWK.from_dict(provider.first_key, "RS256").key.public_key()
    secret = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    content = f"{encoded({'alg': 'HS256', 'kid': 'first', 'typ': 'at+jwt'})}.{encoded(claims())}"
    return f"{content}.{encoded(hmac.digest(secret, content.encode(), sha256))}"


def _ours(kind: Kind) -> Broken:
    def issue(provider: Provider) -> str:
        tokens = JwtAccessTokens(Keyring.parse(SECRET_KEY), issuer="qs", audience=AUDIENCE, ids=uuid4)
        who = Principal(kind, str(uuid4()), DEFAULT_TENANT, frozenset({"admin"}), "alice")
        return tokens.issue(who, ttl=timedelta(hours=1), now=datetime.now(UTC)).token

    return issue


def _as_the_provider_in_our_manner(provider: Provider) -> str:
    tokens = JwtAccessTokens(Keyring.parse(SECRET_KEY), issuer=ISSUER, audience=AUDIENCE, ids=uuid4)
    who = Principal(Kind.TOKEN, "", DEFAULT_TENANT, frozenset({"admin"}))
    return tokens.issue(who, ttl=timedelta(hours=1), now=datetime.now(UTC)).token


BROKEN: dict[str, Broken] = {
    # no JWT at all
    "nothing": lambda _: "",
    "no parts": lambda _: "abc",
    "two parts": lambda p: p.signed(claims()).rpartition(".")[0],
    "four parts": lambda p: p.signed(claims()) + ".AA",
    "five parts, encrypted": lambda p: p.signed(claims()) + ".AA.AA",
    "blanks inside": lambda p: p.signed(claims()).replace(".", " ."),
    "padded": lambda p: p.signed(claims()) + "==",
    "larger than 8 KiB": _said(filler="x" * 8192),
    "not ASCII": lambda p: p.signed(claims()) + "\u00e9",
    "header is no JSON": _begun_with(b"{"),
    "header is a list": _begun_with(b"[]"),
    "header is nested": _begun_with(b'{"x":' + b"[" * 1400),
    "payload is no JSON": _raw(b"{"),
    "payload is a list": _raw(b"[]"),
    "payload is a number": _raw(b"1"),
    "payload is no UTF-8": _raw(b'{"sub": "\xff"}'),
    "payload is nested": _raw(b"[" * 3000),
    # the signature
    "altered header": _altered(0),
    "altered payload": _altered(1),
    "altered signature": _altered(2),
    "signature missing": lambda p: p.signed(claims()).rpartition(".")[0] + ".",
    "signature cut off": lambda p: p.signed(claims())[:-8],
    "signed by a stranger under a known id": lambda p: p.signed(claims(), _STRANGER),
    "signed by another type of key": lambda p: p.signed(claims(), _ELLIPTIC),
    "another type of key as ours": lambda p: p.signed(claims(), _ELLIPTIC, alg="RS256"),
    "signed by HMAC with the public key": _hmac_with_the_public_key,
    # the header
    "alg none": lambda _: f"{encoded({'alg': 'none', 'kid': 'first'})}.{encoded(claims())}.",
    "alg none with a signature": _headed(alg="none"),
    "alg NONE": _headed(alg="NONE"),
    "alg missing": _headed(alg=None),
    "alg of another type": _headed(alg=["RS256"]),
    "alg HS256": _headed(alg="HS256"),
    "alg RS512": _headed(alg="RS512"),
    "alg PS256 on an RS256 key": _headed(alg="PS256"),
    "alg rs256": _headed(alg="rs256"),
    "alg ES256K": _headed(alg="ES256K"),
    "kid missing": _headed(kid=None),
    "kid empty": _headed(kid=""),
    "kid unknown": _headed(kid="nobody"),
    "kid is a path": _headed(kid="../../dev/null"),
    "kid of another type": _headed(kid=1),
    "kid endless": _headed(kid="x" * 300),
    "typ of another token": _headed(typ="logout+jwt"),
    "typ of a proof": _headed(typ="dpop+jwt"),
    "crit": _headed(crit=["exp"]),
    "crit null": lambda p: p.signed(claims(), crit=[]),
    "b64": _headed(b64=False),
    "jku": _headed(jku="https://attacker.example/keys"),
    "jwk": _headed(jwk={"kty": "oct", "k": "AAAA"}),
    "x5u": _headed(x5u="https://attacker.example/cert"),
    "x5c": _headed(x5c=["MIIB"]),
    "zip": _headed(zip="DEF"),
    # what must be said
    "no issuer": _said(iss=None),
    "another issuer": _said(iss="https://attacker.example"),
    "an issuer with a slash more": _said(iss=ISSUER + "/"),
    "several issuers": _said(iss=[ISSUER]),
    "no audience": _said(aud=None),
    "another audience": _said(aud="account"),
    "an audience that begins alike": _said(aud=AUDIENCE + "2"),
    "no audience among several": _said(aud=["account", "other"]),
    "an audience of another type": _said(aud={AUDIENCE: True}),
    "no expiry": _said(exp=None),
    "expired": lambda p: p.signed(claims(iat=_now(-900), exp=_now(-40))),
    "expiry of another type": _said(exp="tomorrow"),
    "expiry at infinity": lambda p: p.signed(
        json.dumps(claims(exp=0)).replace('"exp": 0', '"exp": 1e999').encode()
    ),
    "not yet valid": lambda p: p.signed(claims(nbf=_now(120))),
    "issued in the future": lambda p: p.signed(claims(iat=_now(120), exp=_now(900))),
    "no subject": _said(sub=None),
    "an empty subject": _said(sub=""),
    "a subject of another type": _said(sub=7),
    "an endless subject": _said(sub="x" * 256),
    "a subject with control characters": _said(sub="a\x00b"),
    "half a character as subject": _said(sub="\ud800"),
    # whose it is
    "no tenant": _said(tenant=None),
    "an empty tenant": _said(tenant=""),
    "a tenant that does not exist": _said(tenant="nowhere"),
    "the id of no tenant": _said(tenant=str(uuid4())),
    "several tenants": _said(tenant=["default"]),
    "the platform": _said(tenant="platform"),
    "the platform by its id": _said(tenant=str(PLATFORM_TENANT)),
    # what it is
    "bound to a certificate": _said(cnf={"x5t#S256": "x"}),
    "bound to a key": _said(cnf={"jkt": "x"}),
    "an ID token": _said(at_hash="x", nonce="y"),
    "an ID token of Keycloak": _said(typ="ID"),
    "a refresh token of Keycloak": _said(typ="Refresh"),
    # our own
    "our own, of a user": _ours(Kind.USER),
    "our own, of a service account that does not exist": _ours(Kind.SERVICE),
    "our own, in the provider's name": _as_the_provider_in_our_manner,
    "an API key that does not exist": lambda _: f"qsk_{uuid4().hex}_{'x' * 43}",
}
