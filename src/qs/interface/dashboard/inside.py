"""A request to this application from within: every layer of a route, but not the edge, which the outer request passed."""

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from qs.interface.rest.slashes import hide_slashes


async def call_inside(
    outer: Any,
    method: str,
    path: str,
    query: str = "",
    headers: Iterable[tuple[bytes, bytes]] = (),
    body: bytes = b"",
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer to ``path``, percent-encoded, asked from where ``outer`` came."""
    app = outer["litestar_app"]
    scope: Any = {
        "type": "http",
        "asgi": outer["asgi"],
        "http_version": "1.1",
        "method": method,
        "scheme": outer["scheme"],
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": list(headers),
        "client": outer["client"],
        "server": outer["server"],
        "app": app,
        "litestar_app": app,
        "state": {},
    }
    scope["path"] = hide_slashes(scope)
    status = 500
    answered: dict[str, str] = {}
    pieces: list[bytes] = []
    was_sent = False
    never = asyncio.Event()

    async def receive() -> Any:
        nonlocal was_sent
        if was_sent:
            # Whoever asks stays until the answer is there.
            await never.wait()
        was_sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            answered.update((k.decode().lower(), v.decode("latin-1")) for k, v in message["headers"])
        else:
            pieces.append(message.get("body", b""))

    await app.asgi_handler.inner(scope, receive, send)
    return status, answered, b"".join(pieces)
