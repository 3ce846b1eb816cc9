"""The mini-program's server API: its access token, and what its answers mean.

Source: developers.weixin.qq.com, stable_token and subscribeMessage.send. The token stands in the address of every call, so
nothing here tells an address.
"""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import msgspec

from qs.application.notification.granting import GrantMissing, GrantUnspent
from qs.application.notification.ports import ChannelFailure
from qs.infra.http.guarded import Answer, CallFailed, GuardedClient
from qs.infra.http.signing import read_retry_after

# The token is invalid, has expired, or is one that another took the place of.
TOKEN_REFUSED = frozenset({40001, 40014, 42001})

_NO_GRANT = 43101
_SYSTEM_BUSY = -1
# What is wrong with this message and will be at the next attempt.
_PERMANENT = {
    40003: "the openid is not one of this mini-program",
    40037: "the template id is wrong",
    41030: "the page does not exist in the mini-program",
    47003: "a field is empty or against its rules",
}
# A limit per day or per minute of the mini-program as a whole: there is no use in hurrying.
_LIMITS = frozenset({45009, 45011, 45047})
_LIMIT_PAUSE = timedelta(hours=1)
_FIELD = re.compile(r"\bdata\.([a-z_]{1,20}\d{1,3})\.")

# Up to five minutes before its end the token of the normal mode is replaced by a new one, and both are good.
_OVERLAP_S = 300.0
# Forcing a new token is allowed 20 times a day and does nothing within 30 s of the last time.
_FORCED_EVERY_S = 4500.0


class _Token(msgspec.Struct):
    access_token: str = ""
    expires_in: float = 0.0
    errcode: int = 0


class _Sent(msgspec.Struct):
    errcode: int
    errmsg: str = ""


class AccessTokens:
    """The access token, kept in this process until shortly before it ends.

    In the normal mode WeChat gives every process the same token as long as it is good, so they share it by asking.
    """

    def __init__(
        self,
        client: GuardedClient,
        base_url: str,
        appid: str,
        secret: str,
        *,
        deadline: timedelta,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._url = f"{base_url}/cgi-bin/stable_token"
        self._appid = appid
        self._secret = secret
        self._deadline = deadline
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._good_until = 0.0
        self._forced_at: float | None = None

    async def get(self, refused: str | None = None) -> str:
        """The token; another one than ``refused``, where there can be another.

        Raises:
            GrantUnspent: WeChat gives none.
        """
        async with self._lock:
            if self._token is None or self._token == refused or self._monotonic() >= self._good_until:
                await self._renew(force=False)
            if self._token == refused and self._may_force():
                self._forced_at = self._monotonic()
                await self._renew(force=True)
            assert self._token is not None
            return self._token

    def _may_force(self) -> bool:
        return self._forced_at is None or self._monotonic() - self._forced_at >= _FORCED_EVERY_S

    async def _renew(self, *, force: bool) -> None:
        self._token = None
        asked_at = self._monotonic()
        body: dict[str, Any] = {
            "grant_type": "client_credential",
            "appid": self._appid,
            "secret": self._secret,
            "force_refresh": force,
        }
        answer = await _post(self._client, self._url, body, self._deadline)
        try:
            given = msgspec.json.decode(_accepted(answer).body, type=_Token)
        except msgspec.DecodeError as error:
            raise GrantUnspent("the answer for the access token cannot be read", permanent=False) from error
        if not given.access_token:
            # Whoever runs this can put right what is wrong with the account, and the messages can wait for it.
            raise GrantUnspent(
                f"no access token: errcode {given.errcode}", permanent=False, retry_after=_LIMIT_PAUSE
            )
        self._token = given.access_token
        self._good_until = asked_at + max(given.expires_in - _OVERLAP_S, given.expires_in / 2)


class SubscribeMessages:
    """Sends, with a new token where the one it had is refused."""

    def __init__(
        self, client: GuardedClient, base_url: str, tokens: AccessTokens, *, deadline: timedelta
    ) -> None:
        self._client = client
        self._url = f"{base_url}/cgi-bin/message/subscribe/send"
        self._tokens = tokens
        self._deadline = deadline

    async def send(self, body: Mapping[str, Any]) -> str:
        """What WeChat answered.

        Raises:
            GrantMissing: the person did not agree, or took it back.
            GrantUnspent: it was refused; nothing was sent.
            ChannelFailure: nobody knows whether it was sent.
        """
        token = await self._tokens.get()
        told = await self._call(token, body)
        if told.errcode in TOKEN_REFUSED:
            told = await self._call(await self._tokens.get(refused=token), body)
        if told.errcode == 0:
            return "errcode 0"
        raise _failure(told)

    async def _call(self, token: str, body: Mapping[str, Any]) -> _Sent:
        url = f"{self._url}?access_token={quote(token, safe='')}"
        answer = _accepted(await _post(self._client, url, body, self._deadline))
        try:
            return msgspec.json.decode(answer.body, type=_Sent)
        except msgspec.DecodeError as error:
            raise ChannelFailure("the answer cannot be read", permanent=False) from error


async def _post(client: GuardedClient, url: str, body: Mapping[str, Any], deadline: timedelta) -> Answer:
    try:
        return await client.post(
            url, {"Content-Type": "application/json"}, msgspec.json.encode(body), deadline=deadline
        )
    except CallFailed as failure:
        kind = GrantUnspent if failure.code in ("connect", "refused") else ChannelFailure
        raise kind(failure.reason, permanent=failure.permanent) from failure


def _accepted(answer: Answer) -> Answer:
    """The answer, if it is WeChat's own; else what stands between us and it has answered."""
    told = f"HTTP {answer.status}"
    if answer.status >= 500:
        raise ChannelFailure(told, permanent=False)
    if answer.status == 429 or answer.status == 408:
        retry_after = read_retry_after(answer.headers.get("retry-after"))
        raise GrantUnspent(told, permanent=False, retry_after=retry_after)
    if not 200 <= answer.status < 300:
        raise GrantUnspent(told, permanent=True)
    return answer


def _failure(told: _Sent) -> ChannelFailure:
    code = f"errcode {told.errcode}"
    if told.errcode == _NO_GRANT:
        return GrantMissing(code)
    if told.errcode in _PERMANENT:
        # Of what WeChat says the field's name alone: its words may hold the openid or what was written.
        field = _FIELD.search(told.errmsg)
        named = f" ({field[1]})" if field else ""
        return GrantUnspent(f"{code}: {_PERMANENT[told.errcode]}{named}", permanent=True)
    if told.errcode == _SYSTEM_BUSY:
        return ChannelFailure(code, permanent=False)
    pause = _LIMIT_PAUSE if told.errcode in _LIMITS else None
    return GrantUnspent(code, permanent=False, retry_after=pause)
