"""Access tokens that only their provider can read: it is asked what they are good for (RFC 7662)."""

import asyncio
import math
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import structlog
from msgspec import Struct

from qs.application.identity.remembering import Remembered
from qs.domain.identity.errors import ProviderAway, ProviderTokenRefused
from qs.infra.auth.provider_endpoint import ProviderEndpoint

log = structlog.get_logger()

KEPT_FOR_S = 30.0
LONGEST_TOKEN = 8192
_LEEWAY_S = 30.0
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_REFUSED: Mapping[str, Any] = {}


class _Answer(Struct):
    active: bool
    iss: str | None = None
    aud: str | list[str] | None = None
    exp: float | None = None
    nbf: float | None = None
    sub: str | None = None
    client_id: str | None = None
    token_type: str | None = None
    token_use: str | None = None


class IntrospectedTokens:
    """Believes what the provider answers, for 30 s under the token's hash and never past the token's end.

    Requests with the same token wait for one answer. Without an answer nobody comes in.
    """

    def __init__(
        self,
        endpoint: ProviderEndpoint,
        *,
        issuer: str,
        audience: str,
        credentials: tuple[str, str] | None,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._endpoint = endpoint
        self._issuer = issuer
        self._audience = audience
        self._credentials = credentials
        self._clock = clock
        self._kept: Remembered[Mapping[str, Any]] = Remembered(monotonic)
        self._asking: dict[bytes, asyncio.Task[Mapping[str, Any]]] = {}

    async def read(self, token: str) -> Mapping[str, Any]:
        """The claims of a token that is active and meant for us.

        Raises:
            ProviderTokenRefused: it is not, or cannot be a token (RFC 6750, section 2.1).
            ProviderAway: the provider did not answer as RFC 7662 has it.
        """
        if len(token) > LONGEST_TOKEN or not _TOKEN.fullmatch(token):
            raise ProviderTokenRefused("it cannot be a token")
        fingerprint = sha256(token.encode("ascii")).digest()
        claims = self._kept.get(fingerprint)
        if claims is None:
            claims = await self._answer_for(token, fingerprint)
        if claims is _REFUSED:
            raise ProviderTokenRefused("the provider says that it is not active, or not for us")
        return claims

    async def _answer_for(self, token: str, fingerprint: bytes) -> Mapping[str, Any]:
        task = self._asking.get(fingerprint)
        if task is None:
            task = asyncio.create_task(self._ask(token, fingerprint))
            self._asking[fingerprint] = task
            task.add_done_callback(lambda done: self._forget(fingerprint, done))
        # A caller who hangs up does not take the answer from the others.
        return await asyncio.shield(task)

    def _forget(self, fingerprint: bytes, done: asyncio.Task[Mapping[str, Any]]) -> None:
        del self._asking[fingerprint]
        if not done.cancelled():
            # Looked at, so that a failure which nobody waits for any more is not reported as lost.
            done.exception()

    async def _ask(self, token: str, fingerprint: bytes) -> Mapping[str, Any]:
        asked_at, now = self._kept.now(), self._clock().timestamp()
        claims = await self._endpoint.ask("POST", *asking(token, self._credentials))
        try:
            answer = msgspec.convert(claims, _Answer)
        except msgspec.ValidationError:
            log.warning("identity_provider_away", reason="the answer is none of RFC 7662")
            raise ProviderAway from None
        if not self._vouches(answer, now) or "cnf" in claims:
            self._kept.keep(fingerprint, _REFUSED, asked_at + KEPT_FOR_S)
            return _REFUSED
        # A client that has a token for itself is its own subject.
        claims = {**claims, "sub": answer.sub or answer.client_id}
        left = math.inf if answer.exp is None else answer.exp - now
        self._kept.keep(fingerprint, claims, asked_at + min(KEPT_FOR_S, left))
        return claims

    def _vouches(self, answer: _Answer, now: float) -> bool:
        audiences = [answer.aud] if isinstance(answer.aud, str) else answer.aud or []
        return (
            answer.active
            and answer.iss in (None, self._issuer)
            and self._audience in audiences
            and (answer.exp is None or now < answer.exp)
            and (answer.nbf is None or answer.nbf <= now + _LEEWAY_S)
            and (answer.token_type or "bearer").lower() == "bearer"
            # Hydra says that its refresh tokens are active as well.
            and answer.token_use in (None, "access_token")
        )


def asking(token: str, credentials: tuple[str, str] | None) -> tuple[dict[str, str], bytes]:
    """Headers and body of the question what a token is good for (RFC 7662, section 2.1)."""
    form = urlencode({"token": token, "token_type_hint": "access_token"}).encode("ascii")
    return {"Content-Type": "application/x-www-form-urlencoded", **_basic(credentials)}, form


def _basic(credentials: tuple[str, str] | None) -> dict[str, str]:
    if credentials is None:
        return {}
    # RFC 6749 §2.3.1: both are encoded before they are joined; a blank as %20, which every server decodes.
    pair = ":".join(quote(part, safe="") for part in credentials)
    return {"Authorization": f"Basic {b64encode(pair.encode('ascii')).decode('ascii')}"}
