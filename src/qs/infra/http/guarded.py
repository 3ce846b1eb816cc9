"""The one client for calls to addresses that users name: it goes where it is allowed to and reads what it must."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpcore
import httpx

from qs.infra.http.addresses import Networks, is_public

MOST_BYTES = 64 * 1024

# Of several addresses the first may be dead; the call as a whole ends with its deadline.
_PER_STEP = httpx.Timeout(30.0, connect=5.0)

# They steer the transport, not the receiver.
_REFUSED_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"}
)
_HOST = re.compile(rb"[A-Za-z0-9._:-]{1,255}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class CallFailed(Exception):
    """There is no answer. ``permanent`` means that trying again would be refused again.

    ``reason`` names the cause without the address that was called.
    """

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` is at most 64 KiB; ``truncated`` says that there was more."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool


class GuardedClient:
    """Calls public addresses, and those of the allowed networks, over HTTPS; HTTP to allowed networks only.

    A name is resolved once, every address it has must be allowed, and the connection goes to one of those. No
    redirects, no cookies, no credentials in the URL, no proxies or certificates from the environment, at most 64 KiB
    read, and an end after the total deadline.
    """

    def __init__(self, allow_networks: Iterable[str] = (), *, user_agent: str = "qs") -> None:
        allowed = Networks(allow_networks)
        self._user_agent = user_agent
        self._client = httpx.AsyncClient(
            transport=_Transport(allowed),
            # One receiver must not learn from another one's calls, nor fill the memory of a process that lives long.
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
            trust_env=False,
            follow_redirects=False,
            timeout=_PER_STEP,
        )

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, deadline: timedelta) -> Answer:
        """The receiver's answer, whatever its status.

        Raises:
            CallFailed: the URL, a header or an address is refused, or no answer came in time.
        """
        target = _checked(url)
        _check_headers(headers)
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                sent = {"User-Agent": self._user_agent, **headers}
                async with self._client.stream("POST", target, headers=sent, content=body) as response:
                    content, truncated = await _read(response)
                    return Answer(response.status_code, response.headers, content, truncated)
        except TimeoutError as error:
            raise CallFailed("no answer in time", permanent=False) from error
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise CallFailed(type(error).__name__, permanent=False) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
            raise CallFailed("the URL is malformed", permanent=True) from error

    async def aclose(self) -> None:
        await self._client.aclose()


def _checked(url: str) -> httpx.URL:
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise CallFailed("the URL is malformed", permanent=True) from error
    if target.scheme not in ("http", "https") or not target.host:
        raise CallFailed("the URL is not an http or https address", permanent=True)
    if not _HOST.fullmatch(target.raw_host) or not 1 <= (target.port or 443) <= 65535:
        raise CallFailed("the URL is malformed", permanent=True)
    if target.userinfo:
        raise CallFailed("the URL holds credentials", permanent=True)
    return target


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or name.lower() in _REFUSED_HEADERS:
            raise CallFailed("a header may not be set", permanent=True)
        if any(character in value for character in "\r\n\0"):
            raise CallFailed("a header value holds a line break", permanent=True)


async def _read(response: httpx.Response) -> tuple[bytes, bool]:
    content = bytearray()
    # Raw: a compressed body may unfold to any size.
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > MOST_BYTES:
            return bytes(content[:MOST_BYTES]), True
    return bytes(content), False


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
            raise CallFailed("the name was not resolved", permanent=False) from error
        addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
        for address in addresses:
            if not (self._allowed.hold(address) or (self._public and is_public(address))):
                raise CallFailed("the address is not allowed (outbound.allow_networks)", permanent=True)
        return addresses


class _Transport(httpx.AsyncBaseTransport):
    """Connections are kept per scheme, because what may be reached differs by it."""

    def __init__(self, allowed: Networks) -> None:
        self._allowed = allowed
        self._pools: dict[str, httpcore.AsyncConnectionPool] = {}

    def _pool(self, scheme: str) -> httpcore.AsyncConnectionPool:
        # Made when first needed: loading the certificates takes some 20 ms, and many processes never call anybody.
        if scheme not in self._pools:
            secure = scheme == "https"
            self._pools[scheme] = httpcore.AsyncConnectionPool(
                ssl_context=httpx.create_ssl_context(trust_env=False) if secure else None,
                network_backend=_Backend(self._allowed, public=secure),
                max_connections=50,
                max_keepalive_connections=10,
                keepalive_expiry=5.0,
            )
        return self._pools[scheme]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        response = await self._pool(request.url.scheme).handle_async_request(
            httpcore.Request(
                request.method,
                url,
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(response.status, headers=response.headers, stream=_Body(response))

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()
