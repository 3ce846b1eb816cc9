"""HTTP Basic (RFC 7617) for pages that a browser opens by itself, until there are sessions in it.

The password is checked as by ``POST /auth/login``, and paced like there: wrong ones wait, nobody is locked out. What
comes of it is an access token, which is kept for as long as it lives so that a page that is reloaded begins no further
session; whether its user may still come in is asked as for any other token. A bearer token does as well.
"""

import binascii
import time
from base64 import b64decode
from collections import OrderedDict
from hashlib import sha256
from typing import Any

from litestar.exceptions import NotFoundException
from litestar.types import ASGIApp, Receive, Scope, Send

from qs.application.identity.authenticating import Authentication
from qs.application.identity.logging_in import Login
from qs.domain.identity.credentials import LONGEST_PASSWORD, LONGEST_USERNAME
from qs.domain.identity.errors import BadCredentials, TokenInvalid, TokenMissing
from qs.interface.rest.guards import is_public
from qs.interface.rest.parsing import is_storable

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="qs", charset="UTF-8", Bearer realm="qs"'}
_MOST_KEPT = 100
_MARGIN_S = 60.0


class BrowserUnknown(TokenMissing):
    headers = _CHALLENGE
    sentence = (
        "this page is for those who are known; log in with a user name and a password, or send a bearer token"
    )


class BrowserRefused(BadCredentials):
    headers = _CHALLENGE


class BrowserLogin:
    """Stands before AuthenticationMiddleware and hands it the token that a user name and a password are good for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._kept: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        container = scope["litestar_app"].state.container
        if not container.settings().feature.queue_dashboard:
            raise NotFoundException
        values = [value for name, value in scope["headers"] if name == b"authorization"]
        if not values and not is_public(scope["route_handler"]):
            raise BrowserUnknown
        if len(values) == 1 and values[0][:6].lower() == b"basic ":
            address = scope["client"][0] if scope["client"] else ""
            token = await self._token(container, values[0], address)
            scope["headers"] = [
                *((name, value) for name, value in scope["headers"] if name != b"authorization"),
                (b"authorization", f"Bearer {token}".encode()),
            ]
        await self.app(scope, receive, send)

    async def _token(self, container: Any, header: bytes, address: str) -> str:
        key = sha256(header).digest()
        kept, until = self._kept.get(key, ("", 0.0))
        if time.monotonic() < until:
            authentication: Authentication = container.authentication()
            try:
                await authentication.authenticate(kept)
            except TokenInvalid:
                self._kept.pop(key, None)
            else:
                return kept
        login: Login = container.login()
        try:
            tokens = await login.log_in(*_credentials(header), address)
        except BadCredentials as error:
            raise BrowserRefused from error
        self._kept[key] = (tokens.access_token, time.monotonic() + tokens.expires_in_s - _MARGIN_S)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return tokens.access_token


def _credentials(header: bytes) -> tuple[str, str]:
    try:
        username, _, password = b64decode(header[6:].strip(), validate=True).decode("utf-8").partition(":")
    except (UnicodeDecodeError, binascii.Error) as error:
        raise BrowserRefused from error
    is_one = 0 < len(username) <= LONGEST_USERNAME and 0 < len(password) <= LONGEST_PASSWORD
    if not is_one or not is_storable(username + password):
        raise BrowserRefused
    return username, password
