"""The edge of the application: what is true of every request, whatever becomes of it, in one ASGI layer.

Everything is done in one place and one wrapper around ``send`` because each layer costs every request; what litestar
puts around a route is not reached by requests that match none.
"""

import re
from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import Any

from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, unbind_contextvars
from uuid_utils import uuid7

from qs.application.kernel.request import request_id
from qs.interface.rest import access_log, metrics
from qs.interface.rest.cors import CorsPolicy, Header
from qs.interface.rest.limits import ANSWERED
from qs.interface.rest.proxies import TrustedProxies
from qs.interface.rest.request_spans import request_span
from qs.interface.rest.slashes import hide_slashes

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")

# An answer that says something else for itself is left as it is.
_DEFAULTS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
    # Links are posted in chats; not even a dead one is for a search engine.
    (b"x-robots-tag", b"noindex"),
)
_REVALIDATE: Header = (b"cache-control", b"private, no-cache")
# Says the same as frame-ancestors to old browsers, which matters for pages only, and pages have a policy of their own.
_NO_FRAMES: Header = (b"x-frame-options", b"DENY")
_HSTS: Header = (b"strict-transport-security", b"max-age=31536000")
_SAYS_MORE = frozenset({b"etag", b"allow", *(name for name, _ in _DEFAULTS)})


class Edge:
    """Request id in and out, the real client, HEAD as GET, CORS, security headers, one metric, one log line, one span."""

    def __init__(
        self, app: ASGIApp, proxies: TrustedProxies, cors: CorsPolicy, methods: Mapping[str, Iterable[str]]
    ) -> None:
        """``methods`` are those of each route by its template, as litestar's own OPTIONS forgets some of them.

        ``inner`` answers what comes from within this process, where all of this was done already.
        """
        self.inner = app
        self._proxies = proxies
        self._cors = cors
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request: Any = scope
        if request["type"] != "http":
            await self.inner(scope, receive, send)
            return
        method, path = request["method"], request["path"]
        if method == "HEAD":
            # The server reads the method of its own scope to know that no body may follow.
            request = {**scope, "method": "GET"}
        if (routed := hide_slashes(request)) != path:
            # The server writes the path of its own scope into its log.
            request = {**request, "path": routed}
        if self._proxies and (peer := request["client"]):
            headers = request["headers"]
            request["client"] = (self._proxies.client(peer[0], headers), 0)
            request["scheme"] = self._proxies.scheme(peer[0], headers, request["scheme"])
        exchange = _Exchange(request, method, send, self._cors, self._methods)
        token = request_id.set(exchange.id)
        bind_contextvars(request_id=exchange.id)
        try:
            with request_span(request, method, exchange):
                await self._serve(request, method, path, receive, exchange)
        finally:
            unbind_contextvars("request_id")
            request_id.reset(token)

    async def _serve(
        self, request: Any, method: str, path: str, receive: Receive, exchange: "_Exchange"
    ) -> None:
        try:
            if self._cors and method == "OPTIONS" and (preflight := exchange.preflight()) is not None:
                await exchange.answer_preflight(preflight)
            else:
                await self.inner(request, receive, exchange.send)
        finally:
            duration = perf_counter() - exchange.started
            metrics.requests.observe(method, request.get("path_template"), exchange.status, duration)
            access_log.record(request, method, path, exchange.status, duration)


class _Exchange:
    """One request and its answer."""

    __slots__ = (
        "_cors",
        "_ended",
        "_is_head",
        "_methods",
        "_origin",
        "_scope",
        "_send",
        "id",
        "started",
        "status",
    )

    def __init__(
        self, scope: Any, method: str, send: Send, cors: CorsPolicy, methods: Mapping[str, Iterable[str]]
    ) -> None:
        self.started = perf_counter()
        self.status = 500
        self._scope = scope
        self._is_head = method == "HEAD"
        self._ended = False
        self._send = send
        self._cors = cors
        self._methods = methods
        self._origin: bytes | None = None
        given: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                given = value
            elif name == b"origin":
                self._origin = value
        self.id = given.decode() if given is not None and _REQUEST_ID.fullmatch(given) else str(uuid7())

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._complete(message)
        elif self._is_head and message["type"] == "http.response.body":
            if self._ended:
                return
            # The first piece of a body ends the answer, so that a stream is not followed for nobody.
            self._ended = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    def preflight(self) -> list[Header] | None:
        asks = any(name == b"access-control-request-method" for name, _ in self._scope["headers"])
        return self._cors.preflight(self._origin) if asks else None

    async def answer_preflight(self, headers: list[Header]) -> None:
        await self.send({"type": "http.response.start", "status": 204, "headers": headers})
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    def _complete(self, message: HTTPResponseStartEvent) -> None:
        headers = [*message["headers"], (b"x-request-id", self.id.encode())]
        if _SAYS_MORE.isdisjoint({name for name, _ in headers}):
            headers += _DEFAULTS
        else:
            headers = self._with_missing_defaults(headers)
        if self._scope["scheme"] == "https":
            headers.append(_HSTS)
        headers += self._scope.get(ANSWERED, ())
        if self._cors:
            headers += self._cors.headers(self._origin)
        message["headers"] = headers

    def _with_missing_defaults(self, headers: list[Header]) -> list[Header]:
        present = {name for name, _ in headers}
        defaults = [
            *([_REVALIDATE] if b"etag" in present else []),
            *([_NO_FRAMES] if b"content-security-policy" in present else []),
            *_DEFAULTS,
        ]
        for name, value in defaults:
            if name not in present:
                headers.append((name, value))
                present.add(name)
        return [self._allow(value) if name == b"allow" else (name, value) for name, value in headers]

    def _allow(self, value: bytes) -> Header:
        """Every method of the path, HEAD wherever GET is, since the edge answers it there."""
        methods = {method.strip() for method in value.decode().split(",")}
        methods |= set(self._methods.get(self._scope.get("path_template", ""), ()))
        return b"allow", ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set()))).encode()
