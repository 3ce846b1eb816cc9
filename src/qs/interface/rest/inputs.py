"""What a request brings is checked against what its handler declares, before any of it runs.

``FromQuery[Annotated[int, Meta(ge=1)]]`` alone would not do: litestar drops the ``Meta`` of a parameter, takes unknown
parameters in silence and answers 400 or 500 where 422 with a pointer is due.
"""

import re
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from litestar import Litestar, Request
from litestar.exceptions import InternalServerException, NotFoundException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from qs.domain.kernel.errors import Problem
from qs.interface.rest.bodies import Nothing, UnsupportedEncoding, UnsupportedMediaType, build, read_json
from qs.interface.rest.declarations import JSON, Declared, declared_by
from qs.interface.rest.guards import require_scope
from qs.interface.rest.parsing import Malformed, is_storable, refuse

_BODY_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_NUMBER = re.compile(r"[-+0-9.eE]+")


class JsonRequest(Request[Any, Any, Any]):
    """A request whose ``data`` is already an instance of the handler's Struct."""

    __slots__ = ("decoded",)

    decoded: Any

    async def json(self) -> Any:
        try:
            return self.decoded
        except AttributeError:
            return await super().json()

    async def body(self) -> bytes:
        """Raises Malformed when whoever sends it went away before all of it had come."""
        try:
            return await super().body()
        except InternalServerException as error:
            raise Malformed(
                "the body ended before it was whole, so it was not read; send all of it"
            ) from error


class InputCheck:
    """The ``before_request`` of every route: may the caller, and does the request fit; ``learn`` it the routes first.

    The guard is called from here because litestar copies the whole handler for each guard of its own, which costs a
    health probe as much as everything else it does.
    """

    def __init__(self) -> None:
        self._declared: dict[HTTPRouteHandler, Declared] = {}

    def learn(self, app: Litestar) -> None:
        for route in app.routes:
            if isinstance(route, HTTPRoute):
                for handler in route.route_handlers:
                    self._declared[handler] = declared_by(handler, route.path_parameters)

    async def check(self, request: Request[Any, Any, Any]) -> None:
        """Raises what ``require_scope`` does, Malformed, Invalid, UnsupportedMediaType, UnsupportedEncoding, or litestar's
        404 and 413.
        """
        assert isinstance(request, JsonRequest)
        declared = self._declared[request.route_handler]
        if not declared.public:
            await require_scope(request, request.route_handler)
        if "\x00" in request.scope["path"]:
            # No id or code holds a NUL, so nothing can be there.
            raise NotFoundException
        query = request.scope["query_string"]
        if (query or declared.required) and not declared.loose:
            build(read_query(query, declared), declared.query, strict=False)
        if request.scope["method"] in _BODY_METHODS:
            await _check_body(request, declared)


def read_query(query: bytes, declared: Declared) -> dict[str, str | list[str]]:
    """The parameters by name, as lists where the handler takes several.

    Raises:
        Malformed: the query is not UTF-8.
        Invalid: a parameter that is given once at most is repeated, or a value holds NUL.
    """
    try:
        unquote_to_bytes(query.decode("ascii")).decode()
    except UnicodeDecodeError as error:
        raise Malformed("the query is not percent-encoded UTF-8, so it was not read; encode it so") from error
    values: dict[str, str | list[str]] = {}
    problems: list[Problem] = []
    for name, value in parse_qsl(query.decode(), keep_blank_values=True):
        if not is_storable(name) or not is_storable(value):
            problems.append(Problem("" if not is_storable(name) else f"/{name[:64]}", "must not contain NUL"))
        elif name in declared.repeatable:
            several = values.setdefault(name, [])
            assert isinstance(several, list)
            several.append(value)
        elif name in declared.instants and _NUMBER.fullmatch(value):
            # Read as an instant a bare number is an epoch to some and a year to others.
            problems.append(Problem(f"/{name}", "must be an instant such as 2026-03-01T09:00:00Z"))
        elif name in values:
            problems.append(Problem(f"/{name[:64]}", "is given more than once"))
        else:
            values[name] = value
    refuse(problems)
    return values


async def _check_body(request: JsonRequest, declared: Declared) -> None:
    limit = request.route_handler.resolve_request_max_body_size()
    if limit is not None and (request.content_length or 0) > limit:
        raise RequestEntityTooLarge
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedEncoding
    if declared.reads_itself:
        if request.headers.get("content-type") or request.content_length:
            _check_media_type(request, declared.consumes)
        return
    body = await request.body()
    if not body:
        if declared.body is not None and not declared.body_optional:
            raise Malformed("the body is empty, and this route needs one; send a JSON object")
        return
    if declared.body is None and (declared.loose or not body.strip()):
        return
    _check_media_type(request, declared.consumes)
    request.decoded = read_json(body, Nothing if declared.body is None else declared.body)


def _check_media_type(request: JsonRequest, consumes: tuple[str, ...]) -> None:
    media, _, parameters = request.headers.get("content-type", "").partition(";")
    media = media.strip().lower()
    is_json = media.startswith("application/") and media.endswith("+json")
    charset = [
        p.partition("=")[2].strip(' "').lower() for p in parameters.split(";") if "charset" in p.lower()
    ]
    if (media not in consumes and not (is_json and JSON in consumes)) or charset not in ([], ["utf-8"]):
        raise UnsupportedMediaType(consumes)
