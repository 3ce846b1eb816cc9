"""``POST /oauth2/token``: machines get tokens by client credentials, in the words of RFC 6749."""

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from litestar import Controller, Request, Response, post
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema

from qs.application.identity.granting import ClientGranting
from qs.domain.identity.errors import BadClientCredentials, ScopeNotGranted
from qs.domain.kernel.errors import Invalid, Limited, QsError
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.guards import AuthenticationMiddleware
from qs.interface.rest.identity.controller import NEVER_STORED, OPT
from qs.interface.rest.identity.dto import TokenAnswer, TokenError

FORM = "application/x-www-form-urlencoded"
_FORM_BYTES = 8192
_MOST_PARAMETERS = 20
_LONGEST_CREDENTIAL = 512
_NOT_DESCRIPTIVE = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")
_BASIC = {"WWW-Authenticate": 'Basic realm="qs"'}


def _request_body() -> RequestBody:
    fields = ("grant_type", "client_id", "client_secret", "scope")
    properties = {name: Schema(type="string") for name in fields}  # type: ignore[arg-type]
    schema = Schema(type="object", properties=properties, required=["grant_type"])  # type: ignore[arg-type]
    example = {"grant_type": "client_credentials", "client_id": "qsc_…", "client_secret": "qss_…"}
    return RequestBody({FORM: OpenAPIMediaType(schema=schema, example=example)}, required=True)


@dataclass
class TokenOperation(Operation):
    """The form that the handler reads by itself, for the document."""

    request_body: RequestBody | None = field(default_factory=_request_body)

    def __post_init__(self) -> None:
        # litestar passes what it found in the signature, which is nothing.
        self.request_body = _request_body()


class TokenRequestRefused(QsError):
    """A refusal with one of RFC 6749's own error words."""

    code = "oauth.refused"

    def __init__(self, word: str, description: str, status: int = 400) -> None:
        self.word = word
        self.status = status
        super().__init__(description)


class FormTooLarge(TokenRequestRefused):
    """Its status is the 400 that RFC 6749 has for every request that cannot be read."""

    def __init__(self) -> None:
        super().__init__("invalid_request", f"the form is larger than {_FORM_BYTES} bytes; send less")


def answer_too_large(request: Request[Any, Any, Any], _: RequestEntityTooLarge) -> Response[TokenError]:
    """The limit of the body, said as OAuth clients expect it."""
    return answer_refusal(request, FormTooLarge())


def answer_refusal(request: Request[Any, Any, Any], error: QsError) -> Response[TokenError]:
    """Whatever was wrong with the request, said as OAuth clients expect it."""
    if isinstance(error, TokenRequestRefused):
        word, status = error.word, error.status
    elif isinstance(error, BadClientCredentials):
        word, status = "invalid_client", 401
    elif isinstance(error, ScopeNotGranted):
        word, status = "invalid_scope", 400
    elif isinstance(error, Limited):
        word, status = "temporarily_unavailable", 429
    else:
        word, status = "invalid_request", 400
    headers = NEVER_STORED | (_BASIC if status == 401 else {})
    if isinstance(error, Limited):
        headers |= {"Retry-After": str(error.retry_after)}
    return Response(TokenError(word, _described(error)), status_code=status, headers=headers)


def _described(error: QsError) -> str:
    said = str(error)
    if isinstance(error, Invalid):
        said = "; ".join(f"{each.pointer[1:] or 'a parameter'} {each.detail}" for each in error.problems)
    # RFC 6749 §5.2 allows no other characters, and a name may be anything.
    return _NOT_DESCRIPTIVE.sub("?", said)


class OAuthController(Controller):
    path = "/oauth2"
    tags = ("identity",)
    dependencies = {"granting": given("client_granting")}  # noqa: RUF012 - litestar's way to declare
    # Nobody is authenticated here, and calls are counted by address.
    middleware = (AuthenticationMiddleware,)
    exception_handlers = {  # noqa: RUF012 - litestar's way to declare
        QsError: answer_refusal,
        RequestEntityTooLarge: answer_too_large,
    }

    @post(
        "/token",
        status_code=200,
        opt={**OPT, "consumes": (FORM,)},
        request_max_body_size=_FORM_BYTES,
        summary="Get a token for a service account",
        operation_class=TokenOperation,
        responses={
            400: ResponseSpec(
                TokenError, description="The request cannot be granted.", generate_examples=False
            ),
            401: ResponseSpec(TokenError, description="The credentials are wrong.", generate_examples=False),
            429: ResponseSpec(TokenError, description="Asked for too often.", generate_examples=False),
        },
    )
    async def token(
        self, request: Request[Any, Any, Any], granting: Given[ClientGranting]
    ) -> Response[TokenAnswer]:
        """Client credentials in the body or by HTTP Basic; ``scope`` asks for fewer scopes than the account holds."""
        form = _form(request.headers.get("content-type", ""), await request.body())
        _check_grant_type(form)
        client_id, client_secret = _credentials(request.headers.getall("authorization", []), form)
        scopes = form["scope"].split() if form.get("scope") else None
        grant = await granting.grant(client_id, client_secret, scopes)
        answer = TokenAnswer(grant.access_token, "Bearer", grant.expires_in_s, " ".join(grant.scopes))
        return Response(answer, headers=NEVER_STORED)


def _form(content_type: str, body: bytes) -> dict[str, str]:
    if content_type.partition(";")[0].strip().lower() != FORM:
        raise TokenRequestRefused("invalid_request", f"the body is not a form; send {FORM}")
    if body.count(b"&") >= _MOST_PARAMETERS:
        detail = f"the form has more than {_MOST_PARAMETERS} parameters; send those of the grant"
        raise TokenRequestRefused("invalid_request", detail)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise TokenRequestRefused("invalid_request", "the form cannot be read; encode it as UTF-8") from None
    if len({name for name, _ in pairs}) < len(pairs):
        raise TokenRequestRefused("invalid_request", "a parameter is given twice; give each once")
    if any("\x00" in text for pair in pairs for text in pair):
        raise TokenRequestRefused("invalid_request", "a parameter holds NUL; leave it out")
    return dict(pairs)


def _check_grant_type(form: dict[str, str]) -> None:
    if not form.get("grant_type"):
        raise TokenRequestRefused("invalid_request", "grant_type is missing; send client_credentials")
    if form["grant_type"] != "client_credentials":
        raise TokenRequestRefused("unsupported_grant_type", "only client_credentials is granted here")


def _credentials(authorization: list[str], form: dict[str, str]) -> tuple[str, str]:
    if authorization:
        if "client_secret" in form or len(authorization) > 1:
            detail = "the client authenticates in two ways at once; choose one"
            raise TokenRequestRefused("invalid_request", detail)
        found = _basic(authorization[0])
        if form.get("client_id", found[0]) != found[0]:
            raise TokenRequestRefused("invalid_request", "two different client ids are given; send one")
    else:
        found = form.get("client_id", ""), form.get("client_secret", "")
    if not all(0 < len(text) <= _LONGEST_CREDENTIAL for text in found):
        raise TokenRequestRefused("invalid_client", "client_id or client_secret is missing; send both", 401)
    return found


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.strip().partition(" ")
    client_id, colon, secret = _decoded(encoded).partition(":")
    # RFC 6749 §2.3.1: both were form-encoded before they were joined.
    client_id, secret = unquote_plus(client_id), unquote_plus(secret)
    if scheme.lower() != "basic" or not colon or "\x00" in client_id + secret:
        detail = "the Authorization header cannot be read; send Basic with the client id and its secret"
        raise TokenRequestRefused("invalid_client", detail, 401)
    return client_id, secret


def _decoded(encoded: str) -> str:
    try:
        return b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (UnicodeDecodeError, binascii.Error):
        return ""
