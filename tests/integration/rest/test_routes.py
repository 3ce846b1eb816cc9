"""What every route declares, and what the application refuses to start with."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from litestar import Controller, Litestar, Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from msgspec import Meta, Struct
from msgspec.structs import fields

import qs
from qs.container import Container
from qs.domain.identity.scopes import SCOPES
from qs.domain.kernel.errors import QsError
from qs.interface.rest.app import API_PREFIX, RoutesMisdeclared, create_app, documented_handlers
from qs.interface.rest.declarations import declared_by
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.document import build_document
from qs.interface.rest.titles import BY_CODE

AT_THE_ROOT = (
    "/health/",
    "/metrics",
    "/schema",
    "/entry",
    "/unsubscribe/",
    "/oauth2/token",
    "/api/ecron-management/v1/",
)


def test_every_route_says_who_may_call_it_and_lives_where_the_contract_puts_it(container: Container) -> None:
    handlers = _handlers(create_app(container))

    assert len(handlers) > 10
    for route, handler in handlers:
        path = route.path
        scope = handler.opt.get("scope", ())
        scopes = {scope} if isinstance(scope, str) else set(scope)
        assert bool(scopes) != bool(handler.opt.get("public")), f"{path} {handler}"
        assert scopes <= SCOPES.keys(), f"{path} {handler}"
        assert path.startswith((f"{API_PREFIX}/", *AT_THE_ROOT)), path


def test_every_number_and_text_that_comes_in_is_bounded(container: Container) -> None:
    document = build_document(documented_handlers())
    loose = {
        route.path_format
        for route, handler in _handlers(create_app(container))
        if handler.opt.get("loose_query")
    }

    unbounded = [
        f"{method} {path} {place}"
        for path, item in document["paths"].items()
        for method, operation in item.items()
        for name, schema in _taken(operation, is_loose=path in loose)
        for place in _unbounded(name, schema, document["components"]["schemas"])
    ]

    assert unbounded == []


def _taken(operation: dict[str, Any], *, is_loose: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """JSON bodies and query parameters; a loose query is read as text, within the length of a URL, by its handler."""
    json_body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if json_body is not None:
        yield "body", json_body["schema"]
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query" and not is_loose:
            yield parameter["name"], parameter["schema"]


def _handlers(app: Litestar) -> list[tuple[HTTPRoute, HTTPRouteHandler]]:
    return [
        (route, handler)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
    ]


def _unbounded(place: str, schema: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        yield from _unbounded(place, schemas[schema["$ref"].rsplit("/", 1)[1]], schemas)
    kinds = schema.get("type", ())
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    if "string" in kinds and schema.keys().isdisjoint({"maxLength", "enum", "const", "format", "pattern"}):
        yield f"{place}: text without an end"
    if kinds & {"integer", "number"} and not {"minimum", "maximum"} <= schema.keys():
        yield f"{place}: number without bounds"
    if "array" in kinds and "maxItems" not in schema and "enum" not in schema.get("items", {}):
        yield f"{place}: list without an end"
    for name, each in schema.get("properties", {}).items():
        yield from _unbounded(f"{place}/{name}", each, schemas)
    parts = [schema.get("items"), *schema.get("oneOf", ()), *schema.get("anyOf", ())]
    for each in filter(None, parts):
        yield from _unbounded(place, each, schemas)


def test_every_pattern_that_input_must_match_is_put_in_words(container: Container) -> None:
    declared = [
        (route.path, declared_by(handler, route.path_parameters))
        for route, handler in _handlers(create_app(container))
    ]
    patterns = [
        (path, meta)
        for path, each in declared
        for kind in (each.body, each.query)
        for meta in _patterns(kind)
    ]

    assert len(patterns) > 5
    assert {
        f"{path}: {meta.pattern}" for path, meta in patterns if not (meta.extra or {}).get("expected")
    } == set()


def _patterns(kind: Any) -> Iterator[Meta]:
    yield from (each for each in getattr(kind, "__metadata__", ()) if isinstance(each, Meta) and each.pattern)
    bare = getattr(kind, "__origin__", kind) if hasattr(kind, "__metadata__") else kind
    if isinstance(bare, type) and issubclass(bare, Struct):
        for field in fields(bare):
            yield from _patterns(field.type)
    for part in get_args(bare):
        yield from _patterns(part)


async def undeclared() -> None: ...


async def checked_elsewhere(request: Request[Any, Any, Any]) -> None: ...


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "GET /api/v1/x must declare who may call it"),
        ({"opt": {"public": True, "scope": "admin"}}, "must declare who may call it"),
        ({"opt": {"scope": "plans:raed"}}, "'plans:raed', which is not a scope"),
        ({"opt": {"public": True}, "before_request": checked_elsewhere}, "goes round the check"),
        ({"opt": {"public": True}, "cache": True}, "goes round the check"),
        ({"opt": {"public": True}, "dependencies": {"x": given("no_such")}}, "needs no_such"),
    ],
)
def test_the_application_does_not_start_with_a_route_that_leaves_something_open(
    container: Container, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(RoutesMisdeclared, match=complaint):
        create_app(container, controllers=[get("/x", **options)(undeclared)])


def test_a_controller_cannot_go_round_the_check_either(container: Container) -> None:
    class Sloppy(Controller):
        path = "/sloppy"
        before_request = checked_elsewhere  # type: ignore[assignment]

        @get("/", opt={"scope": "admin"})
        async def show(self) -> None: ...

    with pytest.raises(RoutesMisdeclared, match="goes round the check"):
        create_app(container, controllers=[Sloppy])


def test_a_post_that_creates_and_one_that_commands_may_share_an_application(container: Container) -> None:
    @post("/y", opt={"scope": "admin"}, status_code=200, dependencies={"engine": given("engine")})
    async def command(engine: Given[Any]) -> None: ...

    create_app(container, controllers=[command])


def test_every_title_belongs_to_a_cause_there_is() -> None:
    for module in pkgutil.walk_packages(qs.__path__, "qs."):
        if "migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)

    assert BY_CODE.keys() <= {kind.code for kind in _kinds(QsError)}


def _kinds(kind: type[QsError]) -> Iterator[type[QsError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _kinds(each)
