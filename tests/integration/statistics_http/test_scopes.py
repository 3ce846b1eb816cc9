"""Which scope each route of the statistics asks for, and what the published document says of it."""

import re

from litestar.routes import HTTPRoute

from qs.interface.rest.guards import scopes_of_route
from tests.integration.plan_http.steps import ABSENT_ID, V1

TABLE = {
    "POST /statistics/sync/daily": "statistics:sync platform",
    "POST /statistics/sync/accumulated": "statistics:sync platform",
    "POST /statistics/sync/plan": "statistics:sync platform",
    "POST /statistics/validate": "statistics:sync platform",
    "GET /statistics/system": "statistics:read",
    "GET /statistics/system/tasks": "statistics:read",
    "GET /statistics/scales/{code}": "statistics:read",
    "GET /statistics/scales/{code}/tasks": "statistics:read",
    "GET /statistics/testees/{testee_id}": "statistics:read",
    "GET /statistics/testees/{testee_id}/tasks": "statistics:read",
    "GET /statistics/plans/{plan_id}": "statistics:read",
    "GET /statistics/plans/{plan_id}/tasks": "statistics:read",
    "GET /statistics/daily": "statistics:read",
    "GET /statistics/pictures": "statistics:read",
    "GET /statistics/pictures/{picture}": "statistics:read",
}


async def test_every_route_of_the_statistics_is_in_the_table_with_its_scope(app):
    found = {}
    for route in app.routes:
        path = route.path_format.removeprefix(V1)
        if isinstance(route, HTTPRoute) and path.startswith("/statistics"):
            for handler in route.route_handlers:
                platform = " platform" if handler.opt.get("platform") else ""
                for method in handler.http_methods - {"OPTIONS"}:
                    found[f"{method} {path}"] = " ".join(scopes_of_route(handler)) + platform

    assert found == TABLE


async def test_a_caller_without_the_scope_is_let_in_nowhere(stranger, caller):
    for route, words in TABLE.items():
        method, path = route.split()
        path = V1 + re.sub(r"\{\w+\}", ABSENT_ID, path)
        scope = words.removesuffix(" platform")
        other = "statistics:sync" if scope == "statistics:read" else "statistics:read"

        unknown = await stranger.request(method, path)
        narrow = await stranger.request(
            method, path, headers=await caller(other, "plans:read", "testees:read")
        )
        let_in = await stranger.request(method, path, headers=await caller(scope))

        assert (unknown.status_code, narrow.status_code) == (401, 403), route
        assert let_in.status_code in (200, 404, 422), route


async def test_every_route_is_summarised_and_says_what_it_answers(stranger):
    document = (await stranger.get("/schema/openapi.json")).json()

    for route in TABLE:
        method, path = route.split()
        operation = document["paths"][V1 + path][method.lower()]
        assert operation["summary"], route
        kind = "image/svg+xml" if path.endswith("{picture}") else "application/json"
        assert operation["responses"]["200"]["content"][kind]["schema"], route
        for parameter in operation.get("parameters", ()):
            # That of a parameter that may be left out stands with its type.
            kinds = parameter["schema"].get("anyOf", [])
            assert any(each.get("description") for each in (parameter, *kinds)), (route, parameter["name"])
        if method == "POST":
            assert "Location" in operation["responses"]["202"]["description"], route
