"""The identity provider of a test: a process of its own, told by a file what to be."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from tests.support.identity_provider import CLIENTS

ROOT = Path(__file__).parents[2]
ISSUER = "https://login.example.org/realms/clinic"
AUDIENCE = "qs-api"


def new_key(kid: str, algorithm: str = "RS256") -> dict[str, Any]:
    """A private JWK."""
    parameters: Any = {"kid": kid, "alg": algorithm, "use": "sig"}
    if algorithm == "ES256":
        return dict(ECKey.generate_key("P-256", parameters).as_dict(private=True))
    if algorithm == "EdDSA":
        return dict(OKPKey.generate_key("Ed25519", parameters).as_dict(private=True))
    return dict(RSAKey.generate_key(2048, parameters).as_dict(private=True))


class Provider:
    """Started when it is made; ``close`` ends it for good, ``stop`` until ``start``.

    With ``tls``, a certificate and its key, it speaks HTTPS.
    """

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        self._tls = tls
        self.directory = Path(tempfile.mkdtemp(prefix="qs-idp-"))
        self.first_key = new_key("first")
        self._port = 0
        self._process: subprocess.Popen[str] | None = None
        self.reset()
        self.start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    def reset(self) -> None:
        """As it was in the beginning, with nothing asked of it yet."""
        self._state: dict[str, Any] = {
            "keys": [self.first_key],
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "claims": {"tenant": "default"},
            "life": 300,
        }
        self.change()
        self.forget_requests()

    def change(self, **state: Any) -> None:
        self._state |= state
        new = self.directory / "state.new"
        new.write_text(json.dumps(self._state), encoding="utf-8")
        new.replace(self.directory / "state.json")

    def forget_requests(self) -> None:
        (self.directory / "requests.log").write_text("")

    def asked(self, path: str) -> int:
        """How many requests there were for the path."""
        lines = (self.directory / "requests.log").read_text().splitlines()
        return sum(line.partition(" ")[2] == path for line in lines)

    def start(self) -> None:
        if self._process is not None:
            return
        command = [
            sys.executable,
            "-m",
            "tests.support.identity_provider",
            str(self.directory),
            str(self._port),
            *map(str, self._tls or ()),
        ]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def token(self, scope: str = "plans:read", *, client: str = "robot", **claims: Any) -> str:
        """What a client gets for its credentials; ``claims`` go into it, those that are None are left out."""
        if claims:
            self.change(claims=self._state["claims"] | claims)
        form = {"grant_type": "client_credentials", "scope": scope}
        answer = httpx.post(f"{self.url}/oauth2/token", data=form, headers=_basic(client), timeout=60)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def revoke(self, token: str, *, client: str = "opaque robot") -> None:
        answer = httpx.post(
            f"{self.url}/oauth2/revoke", data={"token": token}, headers=_basic(client), timeout=60
        )
        assert answer.status_code == 200, answer.text

    def signed(self, claims: dict[str, Any] | bytes, key: dict[str, Any] | None = None, **header: Any) -> str:
        """A token of any claims and header, signed as the provider signs; a header that is None is left out."""
        jwk = key or self.first_key
        headers = {"alg": jwk["alg"], "kid": jwk["kid"], "typ": "at+jwt"} | header
        head = {name: value for name, value in headers.items() if value is not None}
        content = f"{encoded(head)}.{encoded(claims)}"
        algorithm = jwt.get_algorithm_by_name(jwk["alg"])
        made = jwt.PyJWK.from_dict(jwk, jwk["alg"])
        return f"{content}.{encoded(algorithm.sign(content.encode(), made.key))}"


def encoded(part: dict[str, Any] | bytes) -> str:
    """A segment of a JWT."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims(**changed: Any) -> dict[str, Any]:
    """Those of a good token; a value that is None is left out."""
    now = int(time.time())
    said = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "c0ffee",
        "iat": now,
        "exp": now + 300,
        "scope": "openid plans:read",
        "tenant": "default",
    } | changed
    return {name: value for name, value in said.items() if value is not None}


def _basic(client: str) -> dict[str, str]:
    pair = f"{quote(client, safe='')}:{quote(CLIENTS[client], safe='')}"
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
