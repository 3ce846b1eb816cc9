"""The one client for calls to addresses that users name: it goes where it is allowed to and reads what it must."""

import asyncio
import functools
import re
import socket
import ssl
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpcore
import httpx

from qs.application.kernel import tracing
from qs.infra.http.addresses import Networks, is_public

MOST_BYTES = 64 * 1024

_CONNECT_S = 5.0
# By the clock of the event loop.
_ENDS_AT = "qs.ends_at"

# They steer the transport, not the receiver.
_REFUSED_HEADERS = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"),
        *("keep-alive", "proxy-connection", "http2-settings", "expect"),
    }
)
# Of them the answer is no answer: a tunnel, and our own headers back.
_REFUSED_METHODS = frozenset({"CONNECT", "TRACE", "TRACK"})
_HOST = re.compile(rb"[A-Za-z0-9._:-]{1,255}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class CallFailed(Exception):
    """There is no answer. ``permanent`` means that trying again would be refused again.

    ``reason`` names the cause without the address that was called. ``code`` is one of ``refused``, ``connect`` (nobody
    was reached, nothing was sent), ``timeout`` and ``error`` (the talk broke off).
    """

    def __init__(self, reason: str, *, permanent: bool, code: str = "error") -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
        self.code = "refused" if permanent else code


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` is at most what was asked for; ``truncated`` says that there was more."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool


class GuardedClient:
    """Calls public addresses, and those of the allowed networks, over HTTPS; HTTP to allowed networks only.

    A name is resolved once, every address it has must be allowed, and the connection goes to one of those. No
    redirects, no cookies, no credentials in the URL, no proxies or certificates from the environment, at most 64 KiB
    read, and an end after the total deadline. Within a trace every call is a span, and its receiver is told of it.

    ``max_connections`` are open at a time. Without ``keep_alive`` each call has a connection of its own: a receiver that
    closes an idle one just as it is used again would fail a call that nobody repeats. With ``ca_file`` (PEM) the
    certificates of its authorities are believed and no others.
    """

    def __init__(
        self,
        allow_networks: Iterable[str] = (),
        *,
        user_agent: str = "qs",
        max_connections: int = 50,
        keep_alive: bool = True,
        ca_file: Path | None = None,
    ) -> None:
        allowed = Networks(allow_networks)
        self._user_agent = user_agent
        self._client = httpx.AsyncClient(
            transport=_Transport(allowed, max_connections, 10 if keep_alive else 0, ca_file),
            # One receiver must not learn from another one's calls, nor fill the memory of a process that lives long.
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
            trust_env=False,
            follow_redirects=False,
        )

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, deadline: timedelta) -> Answer:
        """The receiver's answer, whatever its status.

        Raises:
            CallFailed: the URL, a header or an address is refused, or no answer came in time.
        """
        return await self._exchange("POST", url, headers, body, deadline, MOST_BYTES)

    async def call(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        deadline: timedelta,
        most_bytes: int = MOST_BYTES,
    ) -> Answer:
        """The receiver's answer to any method, whatever its status; it may think as long as the deadline allows.

        Raises:
            CallFailed: the method, the URL, a header or an address is refused, or no answer came in time.
        """
        return await self._exchange(method, url, headers, body, deadline, most_bytes)

    async def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: timedelta,
        most_bytes: int,
    ) -> Answer:
        if not _TOKEN.fullmatch(method) or method.upper() in _REFUSED_METHODS:
            raise CallFailed("the method may not be used", permanent=True)
        if tracing.traceparent() is None:
            return await self._ask(method, url, headers, body, deadline, most_bytes)
        named = tracing.method_of(method)
        # No part of the URL is told: a receiver's address may be all that keeps strangers from it.
        with tracing.span(named, {"http.request.method": named}, kind="client") as span:
            try:
                answer = await self._ask(method, url, _traced(headers), body, deadline, most_bytes)
            except CallFailed as failure:
                span.fail(failure.code)
                raise
            span.note("http.response.status_code", answer.status)
            if answer.status >= 400:
                span.fail(str(answer.status))
            return answer

    async def _ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: timedelta,
        most_bytes: int,
    ) -> Answer:
        target = check_url(url)
        for name, value in headers.items():
            check_header(name, value)
        seconds = deadline.total_seconds()
        # Of several addresses the first may be dead. No step outlasts the call, so that one that is given up ends soon.
        per_step = httpx.Timeout(seconds, connect=min(seconds, _CONNECT_S), pool=None)
        try:
            async with asyncio.timeout(seconds) as deadline_of_call:
                named = any(name.lower() == "user-agent" for name in headers)
                sent = dict(headers) if named else {"User-Agent": self._user_agent, **headers}
                async with self._client.stream(
                    method,
                    target,
                    headers=sent,
                    content=body,
                    timeout=per_step,
                    extensions={_ENDS_AT: deadline_of_call.when()},
                ) as response:
                    content, truncated = await _read(response, most_bytes)
                    return Answer(response.status_code, response.headers, content, truncated)
        except TimeoutError as error:
            raise CallFailed("no answer in time", permanent=False, code="timeout") from error
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            raise CallFailed(type(error).__name__, permanent=False, code="connect") from error
        except httpcore.TimeoutException as error:
            raise CallFailed(type(error).__name__, permanent=False, code="timeout") from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise CallFailed(type(error).__name__, permanent=False) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
            raise CallFailed("the URL or a header is malformed", permanent=True) from error

    async def aclose(self) -> None:
        await self._client.aclose()


def check_url(url: str) -> httpx.URL:
    """The URL, if it is one that is called at all; whether its address is allowed is seen when it is.

    Raises:
        CallFailed: it is none, or holds credentials.
    """
    try:
        target = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise CallFailed("the URL is malformed", permanent=True) from error
    # Not `host`, which decodes what others may have encoded badly.
    if target.scheme not in ("http", "https") or not target.raw_host:
        raise CallFailed("the URL is not an http or https address", permanent=True)
    if not _HOST.fullmatch(target.raw_host) or not 1 <= (target.port or 443) <= 65535:
        raise CallFailed("the URL is malformed", permanent=True)
    if target.userinfo:
        raise CallFailed("the URL holds credentials", permanent=True)
    return target


def check_header(name: str, value: str) -> None:
    """Raises CallFailed for a header that steers the transport, or that would become another one."""
    if not _TOKEN.fullmatch(name) or name.lower() in _REFUSED_HEADERS:
        raise CallFailed("a header may not be set", permanent=True)
    if _CONTROL.search(value) or value != value.strip(" \t"):
        raise CallFailed("a header value holds a line break or another control character", permanent=True)


def _traced(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with the current span as the parent of what the receiver does."""
    others = {name: value for name, value in headers.items() if name.lower() != "traceparent"}
    current = tracing.traceparent()
    return others if current is None else {**others, "traceparent": current}


async def _read(response: httpx.Response, most_bytes: int) -> tuple[bytes, bool]:
    content = bytearray()
    # Raw: a compressed body may unfold to any size.
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > most_bytes:
            return bytes(content[:most_bytes]), True
    return bytes(content), False


@functools.cache
def _certificates(ca_file: Path | None) -> ssl.SSLContext:
    if ca_file is not None:
        return ssl.create_default_context(cafile=str(ca_file))
    return httpx.create_ssl_context(trust_env=False)


class _Backend(httpcore.AsyncNetworkBackend):
    """Resolves, checks and connects in one step, so that no second answer of a resolver can lead elsewhere.

    TLS still speaks to, and checks the certificate of, the name.
    """

    def __init__(self, allowed: Networks, *, public: bool) -> None:
        self._allowed = allowed
        self._public = public
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception | None = None
        for address in await self._addresses(host, port):
            try:
                return await self._plain.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        assert failure is not None
        raise failure

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise CallFailed("the name was not resolved", permanent=False, code="connect") from error
        addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
        if not addresses:
            raise CallFailed("the name was not resolved", permanent=False, code="connect")
        for address in addresses:
            if not (self._allowed.hold(address) or (self._public and is_public(address))):
                raise CallFailed("the address is not allowed (outbound.allow_networks)", permanent=True)
        return addresses


class _Transport(httpx.AsyncBaseTransport):
    """Connections are kept per scheme, because what may be reached differs by it.

    A call whose time is over is not cancelled inside the pool, which may lose the connection for good: it ends by itself,
    within its own timeouts, and what came of it is closed. Nor does any wait inside the pool, which is as bad. One that
    its caller takes back is cancelled, since its receiver is to hear of that at once.
    """

    def __init__(self, allowed: Networks, max_connections: int, max_idle: int, ca_file: Path | None) -> None:
        self._allowed = allowed
        self._max_connections = max_connections
        self._max_idle = max_idle
        self._ca_file = ca_file
        self._pools: dict[str, tuple[httpcore.AsyncConnectionPool, asyncio.Semaphore]] = {}
        self._given_up: set[asyncio.Future[httpcore.Response]] = set()

    def _pool(self, scheme: str) -> tuple[httpcore.AsyncConnectionPool, asyncio.Semaphore]:
        # Made when first needed: loading the certificates takes some 20 ms, and many processes never call anybody.
        if scheme not in self._pools:
            secure = scheme == "https"
            pool = httpcore.AsyncConnectionPool(
                ssl_context=_certificates(self._ca_file) if secure else None,
                network_backend=_Backend(self._allowed, public=secure),
                max_connections=None,
                max_keepalive_connections=self._max_idle,
                keepalive_expiry=5.0,
            )
            self._pools[scheme] = pool, asyncio.Semaphore(self._max_connections)
        return self._pools[scheme]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        sent = httpcore.Request(
            request.method,
            url,
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        pool, room = self._pool(request.url.scheme)
        await room.acquire()
        asked = asyncio.ensure_future(pool.handle_async_request(sent))
        asked.add_done_callback(partial(_leave_if_failed, room))
        try:
            response = await asyncio.shield(asked)
        except asyncio.CancelledError:
            self._given_up.add(asked)
            asked.add_done_callback(partial(self._let_go, room))
            if asyncio.get_running_loop().time() < request.extensions[_ENDS_AT]:
                asked.cancel()
            raise
        body = _Body(response, room)
        return httpx.Response(response.status, headers=response.headers, stream=body)

    def _let_go(self, room: asyncio.Semaphore, asked: "asyncio.Future[httpcore.Response]") -> None:
        self._given_up.discard(asked)
        if _has_answer(asked):
            _in_peace(_close(asked.result(), room))

    async def aclose(self) -> None:
        given_up = list(self._given_up)
        for asked in given_up:
            asked.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        for pool, _ in self._pools.values():
            await pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response, room: asyncio.Semaphore) -> None:
        self._response = response
        self._room: asyncio.Semaphore | None = room

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        if self._room is not None:
            room, self._room = self._room, None
            await asyncio.shield(_in_peace(_close(self._response, room)))


def _has_answer(asked: "asyncio.Future[httpcore.Response]") -> bool:
    return not asked.cancelled() and asked.exception() is None


def _leave_if_failed(room: asyncio.Semaphore, asked: "asyncio.Future[httpcore.Response]") -> None:
    if not _has_answer(asked):
        room.release()


async def _close(response: httpcore.Response, room: asyncio.Semaphore) -> None:
    try:
        await response.aclose()
    finally:
        room.release()


_closing: set["asyncio.Task[None]"] = set()


def _in_peace(closing: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """Closes an answer whoever waits for that: a connection that is torn from its closing keeps its place for good."""
    task = asyncio.ensure_future(closing)
    _closing.add(task)
    task.add_done_callback(_closed)
    return task


def _closed(task: "asyncio.Task[None]") -> None:
    _closing.discard(task)
    if not task.cancelled():
        # That it could not be closed well is nobody's concern any more.
        task.exception()
