"""What no route answers, answered by a page where people look, and by a problem everywhere else.

A handler with ``opt={"lost": "/dashboard"}`` is handed whatever under that path fits no route (``status`` 404) or none
with its method (405, with ``allow``); litestar would answer both before any handler, as it does for machines.
"""

from collections.abc import Iterator
from typing import Any

from litestar import Litestar
from litestar.exceptions import MethodNotAllowedException, NotFoundException
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Receive, Scope, Send


def route_lost_paths(app: Litestar) -> None:
    """Makes the application's router find the handlers for what is lost, before it finds nothing."""
    lost = dict(_lost(app))
    find = app.asgi_router.handle_routing

    def find_or_lose(path: str, method: Any) -> Any:
        try:
            return find(path=path, method=method)
        except (NotFoundException, MethodNotAllowedException) as error:
            at = next(
                (at for under, at in lost.items() if path == under or path.startswith(f"{under}/")), None
            )
            if at is None:
                raise
            asgi_app, handler, _, _, template = find(path=at, method="GET")
            allow = (error.headers or {}).get("allow", "")
            if allow:
                # The route is known, and its metrics and methods are those of its own.
                template = find(path=path, method=allow.partition(",")[0])[4]
            parameters = {"status": error.status_code, "allow": allow}
            return _as_get(asgi_app), handler, path, parameters, template

    app.asgi_router.handle_routing = find_or_lose  # type: ignore[assignment]


def _as_get(asgi_app: ASGIApp) -> ASGIApp:
    """The same application, to which every request is one to look at: whatever was sent, nothing is done with it."""

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        request: Any = scope
        request["method"] = "GET"
        await asgi_app(scope, receive, send)

    return look


def _lost(app: Litestar) -> Iterator[tuple[str, str]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if "lost" in handler.opt and "GET" in handler.http_methods:
                    yield handler.opt["lost"], route.path
