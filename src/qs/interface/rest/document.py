"""The OpenAPI document: what litestar knows of the handlers, completed with what it does not.

It drops the bounds of parameters, knows nothing of scopes, idempotency keys and problem details, and claims a 400 that
we answer as 422.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import msgspec
from litestar import Litestar, MediaType
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.routes import HTTPRoute
from litestar.types import ControllerRouterHandler
from litestar.utils import get_enum_string_value

from qs.domain.identity.scopes import SCOPES
from qs.interface.rest.declarations import Declared, declared_by
from qs.interface.rest.guards import scopes_of_route
from qs.interface.rest.inputs import JsonRequest
from qs.interface.rest.problems import MEDIA_TYPE, ProblemDetails
from qs.interface.rest.titles import title

_DESCRIPTION = """\
Scheduled psychological and health assessment. Success is `{"code", "message", "data"}`, failure is
`application/problem+json` (RFC 9457); both repeat the HTTP status as `code`. Unknown fields and parameters are refused.
"""
_REFERENCE = "#/components/schemas/{name}"
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Repeating the request with the same key within 24 hours creates nothing more.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
_SECURITY_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token, or an API key (`qsk_…`).",
    },
    "client": {
        "type": "oauth2",
        "flows": {"clientCredentials": {"tokenUrl": "/oauth2/token", "scopes": dict(SCOPES)}},
    },
}
_MODULE = re.compile(r"(?<=_)(?:[a-z0-9_]+\.)+(?=[A-Z])")
_REFERENCE_TEXT = re.compile(r'"#/components/schemas/([^"]+)"')
_TIME_OF_DAY = r'"pattern":"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$"'
_BY_SUCCESS = {200: "Done, or the resource.", 201: "Created.", 202: "Accepted; see Location.", 204: "Done."}


def build_document(handlers: Sequence[ControllerRouterHandler]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these handlers, as JSON values."""
    app = Litestar(
        list(handlers),
        request_class=JsonRequest,
        openapi_config=OpenAPIConfig(
            title="qs",
            version=version("qs"),
            description=_DESCRIPTION,
            use_handler_docstrings=True,
            render_plugins=[JsonRenderPlugin()],
        ),
        logging_config=None,
    )
    _without_made_up_examples(app)
    document: dict[str, Any] = msgspec.to_builtins(app.openapi_schema.to_schema())
    components = document.setdefault("components", {})
    schemas: dict[str, Any] = components.setdefault("schemas", {})
    schemas.update(_schemas_of(ProblemDetails))
    components["securitySchemes"] = _SECURITY_SCHEMES
    components["responses"] = {f"Problem{status}": _problem_response(status) for status in _STATUSES}
    for path, method, handler, declared in _operations(app):
        _complete(document["paths"][path][method], handler, declared, schemas)
    return _finished(document)


def _without_made_up_examples(app: Litestar) -> None:
    # litestar fills described responses with random words unless each is told not to.
    for _, _, handler, _ in _operations(app):
        handler.responses = {
            status: replace(response, generate_examples=False)
            for status, response in (handler.responses or {}).items()
        }


_STATUSES = (400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 414, 415, 422, 429, 431, 500, 503)


def _operations(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler, Declared]]:
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for handler in route.route_handlers:
            if not handler.resolve_include_in_schema():
                continue
            for method in handler.http_methods - {"OPTIONS"}:
                yield route.path_format, method.lower(), handler, declared_by(handler, route.path_parameters)


def _complete(
    operation: dict[str, Any], handler: HTTPRouteHandler, declared: Declared, schemas: dict[str, Any]
) -> None:
    _bound_parameters(operation, declared, schemas)
    if handler.opt.get("idempotent"):
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
    if declared.body_optional and "requestBody" in operation:
        operation["requestBody"]["required"] = False
    scopes = scopes_of_route(handler)
    operation["security"] = [{"bearer": []}, *({"client": [scope]} for scope in scopes)] if scopes else []
    _describe_successes(operation["responses"])
    _describe_failures(operation["responses"], handler, is_scoped=bool(scopes))


def _describe_successes(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        if status.startswith("2"):
            if response.get("description") == HTTPStatus(int(status)).description:
                response["description"] = _BY_SUCCESS.get(int(status), response["description"])
            response.setdefault("headers", {})["X-Request-Id"] = {"schema": {"type": "string"}}


def _describe_failures(responses: dict[str, Any], handler: HTTPRouteHandler, *, is_scoped: bool) -> None:
    if "status_code" in str(responses.get("400")):
        del responses["400"]
    for status, response in responses.items():
        own = response.get("content", {}).get(MEDIA_TYPE) if status[0] in "45" else None
        if own is not None:
            # A handler's own kind of problem does not keep the kernel's from being answered with that status.
            own["schema"] = {"anyOf": [own["schema"], {"$ref": _REFERENCE.format(name="ProblemDetails")}]}
    is_page = get_enum_string_value(handler.media_type) == MediaType.HTML.value
    for number in _statuses(handler, is_scoped=is_scoped):
        if is_page and number in (404, 410):
            responses[str(number)] = {"description": "A page that says so.", "content": {"text/html": {}}}
        responses.setdefault(str(number), {"$ref": f"#/components/responses/Problem{number}"})


def _statuses(handler: HTTPRouteHandler, *, is_scoped: bool) -> Iterator[int]:
    yield from (400, 404, 405, 408, 410, 414, 422, 429, 431, 500, 503)
    if is_scoped:
        yield from (401, 403)
    if handler.http_methods.isdisjoint({"GET"}):
        yield from (409, 412, 413, 415)


def _bound_parameters(operation: dict[str, Any], declared: Declared, schemas: dict[str, Any]) -> None:
    """Puts the bounds that inputs.py enforces into the parameters' schemas."""
    (schema,), found = msgspec.json.schema_components([declared.query], ref_template=_REFERENCE)
    own = found.pop("Query", schema)
    for name, each in found.items():
        schemas.setdefault(name, each)
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query":
            bounded = own["properties"][parameter["name"]]
            default = parameter.get("schema", {}).get("default")
            parameter["schema"] = {**bounded, **({} if default is None else {"default": default})}
            if default is None:
                parameter["schema"].pop("default", None)
            if "description" in bounded:
                parameter.setdefault("description", parameter["schema"].pop("description"))


def _schemas_of(kind: Any) -> dict[str, Any]:
    _, found = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    return dict(found)


def _problem_response(status: int) -> dict[str, Any]:
    words = title("", status, "en")
    return {
        "description": words,
        "content": {
            MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(name="ProblemDetails")}},
        },
    }


def _finished(document: dict[str, Any]) -> dict[str, Any]:
    """The document with what litestar gets wrong put right: names of schemas, and the type of times.

    Generic Structs are named after their modules: ``Success_PlanView`` is enough where it names one schema only. And
    litestar forgets to shorten some references, those inside lists that have a ``Meta``.
    """
    names = list(document["components"]["schemas"])
    short = {name: _MODULE.sub("", name).strip("_") for name in names}
    unique = {name: each if list(short.values()).count(each) == 1 else name for name, each in short.items()}

    def rename(match: re.Match[str]) -> str:
        name = match[1]
        if name not in unique:
            name = max((each for each in names if name.endswith(f"_{each}")), key=len, default=name)
        return f'"#/components/schemas/{unique.get(name, name)}"'

    # litestar takes a time of day for a duration.
    text = msgspec.json.encode(document).decode().replace('"format":"duration"', _TIME_OF_DAY)
    renamed: dict[str, Any] = msgspec.json.decode(_REFERENCE_TEXT.sub(rename, text))
    schemas = renamed["components"]["schemas"]
    renamed["components"]["schemas"] = {unique[name]: schema for name, schema in schemas.items()}
    return renamed
