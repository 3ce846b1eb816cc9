"""A slash inside a segment of a path, written ``%2F``, belongs to that segment: ``/testees/ext:a%2Fb`` names a/b.

Servers hand on the decoded path, in which it parts segments like any other. It is hidden from the router, and whoever
reads the path or its parameters after that finds it again.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from litestar import Litestar

# No path that was decoded from UTF-8 holds a lone surrogate, so nothing else is taken for it.
_HIDDEN = "\udc2f"
_ESCAPED = re.compile("%2f", re.IGNORECASE)


def hide_slashes(scope: Mapping[str, Any]) -> str:
    """The path of a request for the router, with the slashes that its sender escaped hidden."""
    path: str = scope["path"]
    raw: bytes = scope.get("raw_path") or b""
    if b"%2F" not in raw and b"%2f" not in raw:
        return path
    hidden = _HIDDEN.join(unquote(part) for part in _ESCAPED.split(raw.decode("latin-1")))
    # A server may strip a prefix from one of the two; then there is no telling which slash was meant.
    return hidden if _shown(hidden) == path else path


def route_escaped_slashes(app: Litestar) -> None:
    """Makes the application's router give back the slashes that were hidden from it."""
    find = app.asgi_router.handle_routing

    def find_and_show(path: str, method: Any) -> Any:
        found = find(path=path, method=method)
        if _HIDDEN not in path:
            return found
        asgi_app, handler, routed, parameters, template = found
        shown = {
            name: _shown(value) if isinstance(value, str) else value for name, value in parameters.items()
        }
        return asgi_app, handler, _shown(routed), shown, template

    app.asgi_router.handle_routing = find_and_show  # type: ignore[assignment]


def _shown(path: str) -> str:
    return path.replace(_HIDDEN, "/")
