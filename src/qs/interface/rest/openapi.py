"""OpenAPI 3.1 at ``/schema/openapi.json`` and a page to browse it at ``/schema``, everything from this machine.

Beside it, at ``/schema/events.json``, the JSON Schema of every published event by its CloudEvents type.

Summaries, descriptions and tags come from the handlers and their docstrings, fields and examples from the ``Meta`` of
the Structs; what litestar leaves out of its document is completed here (document.py).
"""

from collections.abc import Sequence
from functools import cache
from importlib.metadata import distribution
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from threading import Lock

import msgspec
from litestar import Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from qs.interface.rest.document import build_document
from qs.interface.rest.events.schemas import event_schemas

_OWN = files("qs.interface.rest") / "assets"
# Located, not imported: the package builds pages of several megabytes when it is.
_SWAGGER = Path(str(distribution("offapi").locate_file("offapi")))
_ASSETS: dict[str, tuple[Traversable, str]] = {
    "schema.js": (_OWN / "schema.js", "text/javascript"),
    "swagger_bundle.js": (_SWAGGER / "swagger_bundle.js", "text/javascript"),
    "swagger_style.css": (_SWAGGER / "swagger_style.css", "text/css"),
}
# The page's own script needs no inline code; its styles and icons do.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


def schema_router(documented: Sequence[ControllerRouterHandler]) -> Router:
    """The routes under ``/schema`` that describe ``documented``; the document is made when it is first asked for."""
    lock = Lock()
    made: list[bytes] = []

    # In a thread: making it takes long enough to keep other requests waiting.
    @get("/openapi.json", sync_to_thread=True, media_type="application/json")
    def document() -> Response[bytes]:
        with lock:
            if not made:
                made.append(msgspec.json.encode(build_document(documented)))
        return Response(made[0], media_type="application/json")

    return Router(
        "/schema",
        route_handlers=[page, asset, document, events],
        opt={"public": True},
        include_in_schema=False,
    )


@get("/", sync_to_thread=False, media_type="text/html")
def page() -> Response[bytes]:
    headers = {"Content-Security-Policy": _PAGE_POLICY}
    return Response(_read("schema.html"), media_type="text/html", headers=headers)


@get("/assets/{name:str}", sync_to_thread=False, media_type="text/plain")
def asset(name: FromPath[str]) -> Response[bytes]:
    if name not in _ASSETS:
        raise NotFoundException
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(_read(name), media_type=_ASSETS[name][1], headers=headers)


@get("/events.json", sync_to_thread=False, media_type="application/json")
def events() -> Response[bytes]:
    return Response(_event_schemas(), media_type="application/json")


@cache
def _event_schemas() -> bytes:
    return msgspec.json.encode(event_schemas())


@cache
def _read(name: str) -> bytes:
    return (_ASSETS[name][0] if name in _ASSETS else _OWN / name).read_bytes()
