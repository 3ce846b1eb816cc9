"""Who may call which route. Nobody may call one that does not say.

Every handler declares one of ``opt={"public": True}`` and ``opt={"scope": "plans:read"}``, where several scopes in a
tuple mean that any of them will do. ``opt={"scope": …, "platform": True}`` lets platform accounts in as well, which
is for the duties, the scheduler and the metrics. Behind a scope, ``request.user`` is the Principal; on a public route it is None.
"""

from collections.abc import Iterator
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from qs.application.identity.authenticating import Authentication
from qs.application.kernel.limiting import KINDS
from qs.domain.identity.errors import (
    PlatformAccountConfined,
    RouteUndeclared,
    ScopeMissing,
    TokenInvalid,
    TokenMissing,
)
from qs.domain.identity.principal import Principal
from qs.domain.identity.scopes import PLATFORM_SCOPES, SCOPES
from qs.interface.rest.limits import hold_to_limit

_REALM = 'Bearer realm="qs"'


class NoToken(TokenMissing):
    # Without credentials there is nothing to find fault with, so no error is named (RFC 6750 §3.1).
    headers = {"WWW-Authenticate": _REALM}  # noqa: RUF012 - never changed


class BadToken(TokenInvalid):
    headers = {  # noqa: RUF012 - never changed
        "WWW-Authenticate": f'{_REALM}, error="invalid_token", error_description="the access token is not valid"'
    }


class TooNarrow(ScopeMissing):
    def __init__(self, scopes: tuple[str, ...], sentence: str | None = None) -> None:
        super().__init__(scopes, sentence)
        challenge = f'{_REALM}, error="insufficient_scope", scope="{" ".join(scopes)}"'
        self.headers = {"WWW-Authenticate": challenge}


class AuthenticationMiddleware:
    """Sets ``request.user`` from ``Authorization: Bearer``; without a valid token only public routes go on.

    Raises:
        NoToken, BadToken: 401 with a challenge (RFC 6750).
        RateExceeded: the caller, or the address of one that is not known, calls too often (limits.py).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["user"] = None
        if not is_public(scope["route_handler"]):
            authentication: Authentication = scope["litestar_app"].state.container.authentication()
            try:
                scope["user"] = await authentication.authenticate(_bearer_token(scope))
            except TokenMissing:
                await hold_to_limit(scope)
                raise
            except TokenInvalid as error:
                await hold_to_limit(scope)
                raise BadToken from error
        await hold_to_limit(scope)
        await self.app(scope, receive, send)


async def require_scope(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """The guard of every route.

    Raises:
        TooNarrow: the caller holds none of the scopes the route asks for.
        PlatformAccountConfined: a platform account calls a route that is not for it.
        RouteUndeclared: the route does not say who may call it.
    """
    if is_public(handler):
        return
    scopes = scopes_of_route(handler)
    principal: Principal | None = connection.scope.get("user")
    if not scopes or principal is None:
        raise RouteUndeclared
    admit(principal, scopes, platform=bool(handler.opt.get("platform")))


def admit(principal: Principal, scopes: tuple[str, ...], *, platform: bool) -> None:
    """Returns if the caller holds any of ``scopes``, and is of a tenant where ``platform`` accounts are not let in.

    Raises:
        TooNarrow, PlatformAccountConfined
    """
    if principal.is_platform and not platform:
        raise PlatformAccountConfined
    if not principal.may_any(scopes):
        raise TooNarrow(scopes)


def is_public(handler: BaseRouteHandler) -> bool:
    """Whether anybody may call it, with or without a token."""
    return bool(handler.opt.get("public"))


def scopes_of_route(handler: BaseRouteHandler) -> tuple[str, ...]:
    """The scopes any of which lets a caller in; none for a route that is public or says nothing."""
    scope = handler.opt.get("scope", ())
    return (scope,) if isinstance(scope, str) else tuple(scope)


def declaration_problems(handler: BaseRouteHandler) -> Iterator[str]:
    """What is wrong with how a handler says who may call it; nothing where all is well."""
    scopes = scopes_of_route(handler)
    if bool(scopes) == is_public(handler):
        yield "must declare who may call it: opt with either a scope or public"
    for scope in scopes:
        if scope not in SCOPES:
            yield f"asks for {scope!r}, which is not a scope"
    if handler.opt.get("platform") and PLATFORM_SCOPES.isdisjoint(scopes):
        yield "lets platform accounts in and asks for scopes that they never hold"
    if handler.opt.get("limit") not in (None, *KINDS):
        yield f"counts under {handler.opt['limit']!r}, which is no limit"


def _bearer_token(scope: Scope) -> str:
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) > 1:
        raise BadToken
    scheme, _, token = values[0].decode("latin-1").strip().partition(" ") if values else ("", "", "")
    if scheme.lower() != "bearer":
        raise NoToken
    return token.strip(" ")
