"""The HTTP application, put together from the contexts' route handlers.

Adding a context is adding its name to ``CONTEXTS``: its package ``interface/rest/<context>`` names its handlers in
``route_handlers`` (served under ``/api/v1``) and, where the contract puts some at the root, ``root_route_handlers``.

Every handler declares who may call it (guards.py). Further options in ``opt``: ``idempotent`` and ``secret``
(idempotency.py), ``consumes`` (bodies.py), ``limit`` (limits.py), ``lost`` (lost.py), and ``loose_query``, which lets
unknown query parameters pass and, where no body is read, any body. litestar answers a POST with 201 unless told otherwise, so
commands say ``status_code=200``.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from importlib import import_module
from typing import Any

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import ControllerRouterHandler

from qs.interface.rest.bodies import BODY_BYTES
from qs.interface.rest.cors import CorsPolicy
from qs.interface.rest.dependencies import Provided
from qs.interface.rest.guards import (
    AuthenticationMiddleware,
    declaration_problems,
    is_public,
)
from qs.interface.rest.health import health_router
from qs.interface.rest.idempotency import IdempotencyMiddleware
from qs.interface.rest.ids import route_malformed_ids
from qs.interface.rest.inputs import InputCheck, JsonRequest
from qs.interface.rest.lifecycle import lifecycle
from qs.interface.rest.lost import route_lost_paths
from qs.interface.rest.metrics import metrics_handler
from qs.interface.rest.middleware import Edge
from qs.interface.rest.openapi import schema_router
from qs.interface.rest.problems import ProblemHandler
from qs.interface.rest.proxies import TrustedProxies
from qs.interface.rest.scheduler.ecron_runs import results_router
from qs.interface.rest.slashes import route_escaped_slashes

API_PREFIX = "/api/v1"
CONTEXTS = (
    "identity",
    "plan",
    "statistics",
    "events",
    "notifications",
    "webhooks",
    "scheduler",
    "audit",
    "overview",
)

Close = Callable[[Any], Awaitable[None]]
Beside = Callable[[Litestar], AbstractAsyncContextManager[None]]


class RoutesMisdeclared(Exception):
    """Routes leave open who may call them, or how; the application does not start with them."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("these routes cannot be served; correct what they declare:\n" + "\n".join(problems))


def create_app(
    container: Any,
    *,
    controllers: Sequence[ControllerRouterHandler] | None = None,
    pages: Sequence[ControllerRouterHandler] = (),
    close: Close | None = None,
    beside: Sequence[Beside] = (),
) -> Litestar:
    """The application over a container; ``controllers`` stand in for all contexts', under ``/api/v1``. ``pages`` are for
    people, beside the API.

    ``close`` is awaited with the container when the application ends. What is ``beside`` it lives in the same process:
    entered when it starts, left before ``close``.

    Raises:
        RoutesMisdeclared: a route does not say who may call it, has a scope and no authentication, asks for a
            provider that the container does not have, or goes round the check of its caller and input.
    """
    settings = container.settings()
    server = settings.server
    check = InputCheck()
    documented = documented_handlers(controllers)
    if (path := settings.scheduler.results_path) is not None and controllers is None:
        documented.append(results_router(path))
    app = Litestar(
        [*documented, *pages, _metrics(server.metrics_public), schema_router(documented)],
        request_class=JsonRequest,
        request_max_body_size=BODY_BYTES,
        before_request=check.check,
        exception_handlers={
            Exception: ProblemHandler(
                container.translate_failure(), "zh" if settings.lang == "zh_CN" else "en"
            )
        },
        lifespan=[partial(lifecycle, close=close), *beside],
        state=State({"container": container, "ready": False}),
        openapi_config=None,
        logging_config=None,
    )
    _open_options(app)
    check.learn(app)
    if problems := list(_misdeclared(app, container)):
        raise RoutesMisdeclared(problems)
    route_malformed_ids(app)
    route_lost_paths(app)
    route_escaped_slashes(app)
    app.asgi_handler = Edge(
        app.asgi_handler,
        TrustedProxies(server.trusted_proxies),
        CorsPolicy(server.cors_origins),
        {route.path_format: route.methods for route, _ in _handlers(app)},
    )
    return app


def documented_handlers(
    controllers: Sequence[ControllerRouterHandler] | None = None,
) -> list[ControllerRouterHandler]:
    """All handlers that the OpenAPI document tells of; ``controllers`` as in ``create_app``."""
    if controllers is not None:
        return [_api(controllers), health_router]
    return [_api(_of_contexts("route_handlers")), *_of_contexts("root_route_handlers"), health_router]


def _of_contexts(attribute: str) -> list[ControllerRouterHandler]:
    packages = [import_module(f"qs.interface.rest.{context}") for context in CONTEXTS]
    return [handler for package in packages for handler in getattr(package, attribute, ())]


def _api(handlers: Sequence[ControllerRouterHandler]) -> Router:
    return Router(
        API_PREFIX, route_handlers=handlers, middleware=[AuthenticationMiddleware, IdempotencyMiddleware]
    )


def _metrics(public: bool) -> HTTPRouteHandler:
    return metrics_handler(public=public, middleware=[] if public else [AuthenticationMiddleware])


def _open_options(app: Litestar) -> None:
    """Anybody may ask which methods a path takes."""
    for _, handler in _handlers(app):
        if handler.http_methods == {"OPTIONS"}:
            handler.opt["public"] = True


def _handlers(app: Litestar) -> Iterator[tuple[HTTPRoute, HTTPRouteHandler]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            yield from ((route, handler) for handler in route.route_handlers)


def _misdeclared(app: Litestar, container: Any) -> Iterator[str]:
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            yield f"{route.path} is no HTTP route, so nothing would check who calls it"
    for route, handler in _handlers(app):
        if "OPTIONS" in handler.http_methods:
            continue
        where = f"{'/'.join(sorted(handler.http_methods))} {route.path}"
        for problem in declaration_problems(handler):
            yield f"{where} {problem}"
        if not is_public(handler) and AuthenticationMiddleware not in handler.resolve_middleware():
            yield f"{where} has a scope and nothing authenticates it; serve it under {API_PREFIX}"
        if handler.cache or any(
            layer.before_request for layer in handler.ownership_layers if layer is not app
        ):
            yield f"{where} goes round the check of its caller and input; drop its before_request or cache"
        for dependency in handler.resolve_dependencies().values():
            if isinstance(dependency, Provided) and not hasattr(container, dependency.provider):
                yield f"{where} needs {dependency.provider}, which the container does not provide"
