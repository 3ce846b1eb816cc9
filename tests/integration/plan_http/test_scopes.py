import re

from litestar.routes import HTTPRoute

from qs.interface.rest.guards import is_public, scopes_of_route
from tests.integration.plan_http.steps import ABSENT_ID, V1

TABLE = {
    "POST /plans": "plans:write",
    "GET /plans": "plans:read",
    "GET /plans/{plan_id}": "plans:read",
    "PATCH /plans/{plan_id}": "plans:write",
    "POST /plans/{plan_id}/pause": "plans:write",
    "POST /plans/{plan_id}/resume": "plans:write",
    "POST /plans/{plan_id}/finish": "plans:write",
    "POST /plans/{plan_id}/cancel": "plans:write",
    "POST /plans/preview": "plans:read",
    "POST /plans/enroll": "plans:write",
    "POST /plans/{plan_id}/enrollments/bulk": "plans:write",
    "GET /plans/{plan_id}/enrollments": "plans:read",
    "GET /plans/{plan_id}/grid": "tasks:read",
    "GET /plans/{plan_id}/tasks": "tasks:read",
    "POST /plans/{plan_id}/testees/{testee_id}/terminate": "plans:write",
    "GET /enrollments/{enrollment_id}": "plans:read",
    "POST /enrollments/{enrollment_id}/pause": "plans:write",
    "POST /enrollments/{enrollment_id}/resume": "plans:write",
    "POST /testees": "testees:write",
    "GET /testees": "testees:read",
    "GET /testees/{testee_id}": "testees:read",
    "PUT /testees/{testee_id}": "testees:write",
    "DELETE /testees/{testee_id}": "testees:write",
    "GET /testees/{testee_id}/plans": "plans:read",
    "GET /testees/{testee_id}/tasks": "tasks:read",
    "GET /testees/{testee_id}/grants": "testees:read",
    "POST /testees/{testee_id}/grants": "testees:write",
    "POST /scales": "scales:write",
    "GET /scales": "scales:read",
    "GET /scales/{code}": "scales:read",
    "GET /plans/tasks": "tasks:read",
    "GET /plans/tasks/{task_id}": "tasks:read",
    "GET /plans/tasks/{task_id}/explain": "tasks:read",
    "GET /plans/tasks/{task_id}/entry": "entry:read",
    "POST /plans/tasks/{task_id}/open": "tasks:write",
    "POST /plans/tasks/{task_id}/reissue": "tasks:write",
    "POST /plans/tasks/{task_id}/expire": "tasks:schedule tasks:write",
    "POST /plans/tasks/{task_id}/cancel": "tasks:write",
    "POST /plans/tasks/{task_id}/complete": "tasks:write",
    "POST /plans/tasks/{task_id}/reschedule": "tasks:write",
    "POST /plans/tasks/schedule": "tasks:schedule platform",
    "POST /plans/tasks/expire": "tasks:schedule platform",
    "POST /plan/tasks/schedule": "tasks:schedule platform",
    "POST /plan/tasks/expire": "tasks:schedule platform",
    "GET /entries": "public",
    "POST /entries/submit": "public",
    "GET /entry": "public",
    "GET /unsubscribe/{token}": "public",
    "POST /unsubscribe/{token}": "public",
}
OURS = ("/plan", "/enrollments", "/testees", "/scales", "/entries", "/entry", "/unsubscribe")


EVERYTHING = {scope for words in TABLE.values() for scope in words.split()} - {"public", "platform"}


async def test_every_route_of_the_plan_context_is_in_the_table_with_its_scope(app):
    found = {}
    for route in app.routes:
        path = route.path_format.removeprefix(V1)
        if not isinstance(route, HTTPRoute) or not path.startswith(OURS):
            continue
        for handler in route.route_handlers:
            for method in handler.http_methods - {"OPTIONS"}:
                words = ["public"] if is_public(handler) else sorted(scopes_of_route(handler))
                words += ["platform"] if handler.opt.get("platform") else []
                found[f"{method} {path}"] = " ".join(words)

    assert found == TABLE


async def test_a_caller_without_the_scope_is_let_in_nowhere(stranger, caller):
    for route, words in TABLE.items():
        if words == "public":
            continue
        method, path = route.split()
        path = V1 + re.sub(r"\{\w+\}", ABSENT_ID, path)
        scopes = set(words.split()) - {"platform"}

        unknown = await stranger.request(method, path)
        narrow = await stranger.request(method, path, headers=await caller(*(EVERYTHING - scopes)))

        assert (unknown.status_code, narrow.status_code) == (401, 403), route
        for scope in scopes:
            let_in = await stranger.request(method, path, headers=await caller(scope))
            assert let_in.status_code in (200, 400, 404, 422), route
