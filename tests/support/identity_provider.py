"""An OAuth 2 server on this machine, made with Authlib.

``python -m tests.support.identity_provider DIRECTORY PORT [CERTIFICATE KEY]``; with a certificate it speaks HTTPS.

It issues JWTs (RFC 9068) and opaque tokens to clients, tells of them (RFC 7662), revokes them (RFC 7009) and publishes
its keys (RFC 7517). What it is asked to be is in ``state.json`` of the directory, read at every request: its keys, the
first of which signs, the claims and the life of its tokens, what its clock says, and how it misbehaves.
``requests.log`` has a line for each request.
"""

import json
import os
import secrets
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, Response, redirect, request
from joserfc.jwk import KeySet
from werkzeug.serving import WSGIRequestHandler, make_server

DIRECTORY = Path(sys.argv[1]) if len(sys.argv) > 2 else Path()
CLIENTS = {"robot": "robot-secret", "opaque robot": "opaque:secret/+", "qs": "resource: server%secret"}
app = Flask(__name__)


def state() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DIRECTORY / "state.json").read_text(encoding="utf-8"))
    return found


class Client(ClientMixin):
    def __init__(self, client_id: str) -> None:
        self.client_id = client_id

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str) -> str:
        return scope or ""

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(CLIENTS[self.client_id], client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "client_credentials"


class OpaqueToken(TokenMixin):
    def __init__(self, text: str, client_id: str, scope: str, claims: dict[str, Any], life: int) -> None:
        self.text, self.client_id, self.scope, self.claims = text, client_id, scope, claims
        self.issued_at, self.life, self.revoked = int(time.time()), life, False

    def check_client(self, client: Client) -> bool:
        return bool(client.client_id == self.client_id)

    def is_expired(self) -> bool:
        return time.time() > self.issued_at + self.life

    def is_revoked(self) -> bool:
        return self.revoked


OPAQUE: dict[str, OpaqueToken] = {}


class Generator(JWTBearerTokenGenerator):
    def __init__(self) -> None:
        super().__init__("https://unused", expires_generator=lambda *_: state()["life"])

    def get_jwks(self) -> KeySet:
        return KeySet.import_key_set({"keys": [state()["keys"][0]]})

    def get_audiences(self, client: Client, user: Any, scope: str) -> Any:
        return state()["audience"]

    def get_extra_claims(self, client: Client, grant_type: str, user: Any, scope: str) -> dict[str, Any]:
        claims: dict[str, Any] = state()["claims"]
        return claims

    def access_token_generator(self, client: Client, grant_type: str, user: Any, scope: str) -> str:
        now = state()
        # The issuer and the algorithm are read before the claims are put together.
        self.issuer, self.alg = now["issuer"], now["keys"][0]["alg"]
        if client.client_id != "opaque robot":
            return str(super().access_token_generator(client, grant_type, user, scope))
        text = secrets.token_urlsafe(32)
        OPAQUE[text] = OpaqueToken(text, client.client_id, scope, now["claims"], now["life"])
        return text


class ClientCredentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)


class Introspection(IntrospectionEndpoint):
    CLIENT_AUTH_METHODS = ("client_secret_basic",)

    def query_token(self, token: str, hint: str | None) -> OpaqueToken | None:
        return OPAQUE.get(token)

    def check_permission(self, token: OpaqueToken, client: Client, request: Any) -> bool:
        return client.client_id == "qs"

    def introspect_token(self, token: OpaqueToken) -> dict[str, Any]:
        now = state()
        said = {
            "active": True,
            "client_id": token.client_id,
            "token_type": "Bearer",
            "scope": token.scope,
            "sub": token.client_id,
            "aud": now["audience"],
            "iss": now["issuer"],
            "exp": token.issued_at + token.life,
            "iat": token.issued_at,
            **token.claims,
        }
        return {name: value for name, value in said.items() if value is not None}


class Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = ("client_secret_basic",)

    def query_token(self, token: str, hint: str | None) -> OpaqueToken | None:
        return OPAQUE.get(token)

    def revoke_token(self, token: OpaqueToken, request: Any) -> None:
        token.revoked = True


server = AuthorizationServer(
    app,
    query_client=lambda client_id: Client(client_id) if client_id in CLIENTS else None,
    save_token=lambda token, request: None,
)
server.register_grant(ClientCredentials)
server.register_token_generator("client_credentials", Generator())
server.register_endpoint(Introspection)
server.register_endpoint(Revocation)


@app.post("/oauth2/token")
def issue() -> Response:
    return server.create_token_response()


@app.post("/oauth2/introspect")
def introspect() -> Response:
    return misbehaving() or server.create_endpoint_response("introspection")


@app.post("/oauth2/revoke")
def revoke() -> Response:
    return server.create_endpoint_response("revocation")


@app.get("/jwks")
def keys() -> Response:
    published = KeySet.import_key_set({"keys": state()["keys"]}).as_dict(private=False)
    return misbehaving() or Response(json.dumps(published), content_type="application/jwk-set+json")


@app.route("/elsewhere/<path:path>", methods=["GET", "POST"])
def elsewhere(path: str) -> Response:
    """Where redirects lead: the right answer, in a place that nobody configured."""
    if request.method == "POST":
        return server.create_endpoint_response("introspection")
    return Response(json.dumps(KeySet.import_key_set({"keys": state()["keys"]}).as_dict(private=False)))


@app.before_request
def note() -> None:
    with (DIRECTORY / "requests.log").open("a", encoding="utf-8") as log:
        log.write(f"{request.method} {request.path}\n")


def misbehaving() -> Any:
    fault = state().get("fault")
    if fault is None:
        return None
    if fault == "redirect":
        return redirect(f"/elsewhere{request.path}", 302 if request.method == "GET" else 307)
    if fault == "slow":
        time.sleep(3600)
    if fault == "endless":
        return Response(endless(b'{"keys": ["' + b"x" * 65536, 0.0), content_type="application/json")
    if fault == "dripping":
        return Response(endless(b" ", 0.05), content_type="application/json")
    status, kind, body = fault
    return Response(body, status=status, content_type=kind)


def endless(piece: bytes, pause: float) -> Iterator[bytes]:
    while True:
        yield piece
        time.sleep(pause)


class Quiet(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        """Nothing: what is written is for the test to see."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        return str(super().date_time_string(time.time() + state().get("ahead_s", 0)))


def main(arguments: Iterable[str]) -> None:
    _, port, *pair = arguments
    tls: Any = (pair[0], pair[1]) if pair else None
    listening = make_server(
        "127.0.0.1", int(port), app, threaded=True, request_handler=Quiet, ssl_context=tls
    )
    print(listening.server_port, flush=True)
    listening.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
