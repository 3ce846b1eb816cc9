"""Access tokens that must never be believed, each for a reason of its own."""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.auth.keys import Keyring
from tests.support.settings import SECRET_KEY

ISSUER = AUDIENCE = "qs"
Broken = Callable[[], str]

_keyring = Keyring.parse(SECRET_KEY)
_KEY = _keyring.subkey("jwt")
_STRANGER = Keyring.parse("test:" + "stranger" * 5).subkey("jwt")


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says; None as a change leaves the claim out."""
    now = int(datetime.now(UTC).timestamp())
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 600,
        "jti": str(uuid4()),
        "sub": str(uuid4()),
        "kind": "token",
        "tenant": str(DEFAULT_TENANT),
        "scopes": ["admin"],
        "name": "",
    }
    good.update(changes)
    return {name: value for name, value in good.items() if value is not MISSING}


def header(**changes: Any) -> dict[str, Any]:
    good = {"alg": "HS256", "typ": "at+jwt", "kid": _keyring.current_id}
    good.update(changes)
    return {name: value for name, value in good.items() if value is not MISSING}


MISSING: Any = object()


def encoded(part: Any) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(head: Any, body: Any, key: bytes = _KEY, digest: Any = sha256) -> str:
    content = f"{encoded(head)}.{encoded(body)}"
    return f"{content}.{encoded(hmac.digest(key, content.encode(), digest))}"


def good() -> str:
    return signed(header(), claims())


def _altered(part: int) -> str:
    parts = good().split(".")
    parts[part] = ("B" if parts[part][0] != "B" else "C") + parts[part][1:]
    return ".".join(parts)


def _other_last_character() -> str:
    # The last character of a signature carries two bits that decode to nothing; they must be zero all the same.
    token = good()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) + 1]


def _now(offset: int) -> int:
    return int(datetime.now(UTC).timestamp()) + offset


def _claims(**changes: Any) -> Broken:
    return lambda: signed(header(), claims(**changes))


def _header(**changes: Any) -> Broken:
    return lambda: signed(header(**changes), claims())


BROKEN: Mapping[str, Broken] = {
    # not a token at all
    "empty": lambda: "",
    "one part": lambda: "abc",
    "two parts": lambda: ".".join(good().split(".")[:2]),
    "four parts": lambda: good() + ".abc",
    "no signature": lambda: good().rpartition(".")[0] + ".",
    "blanks inside": lambda: good().replace(".", " ."),
    "padded": lambda: good() + "=",
    "not base64url": lambda: good().replace(".", ".+", 1),
    "larger than 8 KiB": lambda: signed(header(), claims(filler="x" * 8192)),
    "header of an impossible length": lambda: "e" + good(),
    "header is not text": lambda: signed(b'{"alg":"\xff"}', claims()),
    "header is no JSON": lambda: signed(b"{alg:HS256}", claims()),
    "header is a list": lambda: signed([], claims()),
    "header is nested": lambda: signed(b"[" * 5000, claims()),
    "payload is no JSON": lambda: signed(header(), b"{sub:1}"),
    "payload is a list": lambda: signed(header(), [1]),
    "payload is nested": lambda: signed(header(), b"[" * 3000),
    # the signature
    "altered header": lambda: _altered(0),
    "altered payload": lambda: _altered(1),
    "altered signature": lambda: _altered(2),
    "altered in bits that decode to nothing": _other_last_character,
    "signed by a stranger": lambda: signed(header(), claims(), _STRANGER),
    "signed with the key itself": lambda: signed(header(), claims(), SECRET_KEY.partition(":")[2].encode()),
    "signed with the subkey of another purpose": lambda: signed(header(), claims(), _keyring.subkey("entry")),
    "signed with an empty key": lambda: signed(header(), claims(), b""),
    # the header
    "alg none": lambda: f"{encoded(header(alg='none'))}.{encoded(claims())}.",
    "alg none with a signature": _header(alg="none"),
    "alg NONE": _header(alg="NONE"),
    "alg HS512": lambda: signed(header(alg="HS512"), claims(), digest="sha512"),
    "alg HS384": _header(alg="HS384"),
    "alg RS256": _header(alg="RS256"),
    "alg missing": _header(alg=MISSING),
    "alg of another type": _header(alg=["HS256"]),
    "kid missing": _header(kid=MISSING),
    "kid unknown": _header(kid="other"),
    "kid is a path": _header(kid="../../dev/null"),
    "kid of another type": _header(kid=1),
    "typ missing": _header(typ=MISSING),
    "typ of another token": _header(typ="JWT"),
    "crit": _header(crit=["exp"]),
    "b64": _header(b64=False, crit=["b64"]),
    "jku": _header(jku="https://attacker.example/keys"),
    "jwk": _header(jwk={"kty": "oct", "k": encoded(b"x" * 32)}),
    "x5u": _header(x5u="https://attacker.example/cert"),
    "x5c": _header(x5c=["MIIB"]),
    "zip": _header(zip="DEF"),
    # what must be said
    "no issuer": _claims(iss=MISSING),
    "another issuer": _claims(iss="https://attacker.example"),
    "several issuers": _claims(iss=["qs", "other"]),
    "no audience": _claims(aud=MISSING),
    "another audience": _claims(aud="other"),
    "an audience that begins alike": _claims(aud="qs2"),
    "no audience among several": _claims(aud=["other", "another"]),
    "no expiry": _claims(exp=MISSING),
    "expired": _claims(iat=_now(-900), exp=_now(-31)),
    "expiry of another type": _claims(exp="tomorrow"),
    "expiry beyond all calendars": _claims(exp=10**18),
    "expiry at infinity": lambda: signed(
        header(), json.dumps(claims(exp=0)).replace('"exp": 0', '"exp": 1e999').encode()
    ),
    "no issuing time": _claims(iat=MISSING),
    "issued in the future": lambda: signed(header(), claims(iat=_now(120), exp=_now(900))),
    "not yet valid": lambda: signed(header(), claims(nbf=_now(120))),
    "no id": _claims(jti=MISSING),
    "an id that is none": _claims(jti="1"),
    "no subject": _claims(sub=MISSING),
    "a subject of another type": _claims(sub=1),
    "an endless subject": _claims(sub="x" * 65),
    # who it says it is
    "no kind": _claims(kind=MISSING),
    "a kind that never comes from outside": _claims(kind="clock"),
    "a testee": _claims(kind="testee"),
    "no tenant claim": _claims(tenant=MISSING),
    "a tenant that is no id": _claims(tenant="default"),
    "a tenant that does not exist": _claims(tenant=str(uuid4())),
    "scopes missing": _claims(scopes=MISSING),
    "scopes in one text": _claims(scopes="admin"),
    "scopes of another type": _claims(scopes=[1]),
    "a user who does not exist": _claims(kind="user"),
    "a user whose id is none": _claims(kind="user", sub="alice"),
    "a service account that does not exist": _claims(kind="service"),
    "a platform account that does not exist": _claims(kind="service", tenant=None),
    "a platform user": _claims(kind="user", tenant=None),
}
