"""Who may call which route of the scheduler, and which kinds of target need a scope of their own."""

import re

from litestar import Litestar
from litestar.routes import HTTPRoute

from qs.interface.rest.guards import is_public, scopes_of_route

from .steps import ABSENT_ID, ECRON, HOURLY, V1, data_of, make_job, problem_of

READ, WRITE, RUN = "scheduler:read platform", "scheduler:write platform", "scheduler:run platform"
SHOW = "scheduler:read scheduler:run statistics:sync tasks:schedule platform"
TABLE = {
    "GET /jobs": READ,
    "POST /jobs": WRITE,
    "GET /jobs/total": READ,
    "POST /jobs/apply": WRITE,
    "GET /jobs/export": READ,
    "GET /jobs/{job_id}": READ,
    "PUT /jobs/{job_id}": WRITE,
    "PATCH /jobs/{job_id}": WRITE,
    "DELETE /jobs/{job_id}": WRITE,
    "PUT /jobs/{job_id}/enable": WRITE,
    "PUT /jobs/{job_id}/notify": WRITE,
    "POST /jobs/{job_id}/run": RUN,
    "POST /jobs/{job_id}/backfill": RUN,
    "GET /jobs/{job_id}/status": READ,
    "GET /jobs/{job_id}/next": READ,
    "GET /jobs/{job_id}/executions": READ,
    "GET /executions": READ,
    "GET /executions/{execution_id}": SHOW,
    "GET /executions/{execution_id}/log": SHOW,
    "POST /executions/{execution_id}/cancel": RUN,
    "POST /executions/{execution_id}/retry": RUN,
    "POST /executions/{execution_id}/report": RUN,
    "POST /preview": READ,
    "GET /calendars": READ,
    "POST /calendars": WRITE,
    "GET /calendars/{name}": READ,
    "PUT /calendars/{name}": WRITE,
    "DELETE /calendars/{name}": WRITE,
    "GET /nodes": READ,
    "POST /nodes/{node_id}/drain": WRITE,
    "GET /queues": READ,
    "POST /start": WRITE,
    "POST /stop": WRITE,
    "GET /status": READ,
}
ECRON_TABLE = {
    "GET /jobtotal": READ,
    "GET /job": READ,
    "POST /job": WRITE,
    "PUT /job/{job_ids}": WRITE,
    "DELETE /job/{job_ids}": WRITE,
    "PUT /job/{job_ids}/enable": WRITE,
    "PUT /job/{job_ids}/notify": WRITE,
    "POST /jobexecution": RUN,
    "GET /jobstatus": READ,
    "GET /jobstatus/{ids}": READ,
    "PUT /jobstatus/{ids}": RUN,
}
EVERYTHING = {"scheduler:read", "scheduler:write", "scheduler:run", "statistics:sync", "tasks:schedule"}


def declared(app: Litestar, prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for route in app.routes:
        path = route.path_format
        if not isinstance(route, HTTPRoute) or not path.startswith(f"{prefix}/"):
            continue
        for handler in route.route_handlers:
            for method in handler.http_methods - {"OPTIONS"}:
                assert not is_public(handler)
                words = sorted(scopes_of_route(handler))
                words += ["platform"] if handler.opt.get("platform") else []
                found[f"{method} {path.removeprefix(prefix)}"] = " ".join(words)
    return found


async def test_every_route_of_the_scheduler_is_in_the_table_with_its_scope(app):
    assert declared(app, V1) == TABLE
    assert declared(app, ECRON) == ECRON_TABLE


async def test_a_caller_without_the_scope_is_let_in_nowhere(stranger, caller):
    headers = {scope: await caller(scope) for scope in EVERYTHING}
    for prefix, table in ((V1, TABLE), (ECRON, ECRON_TABLE)):
        for route, words in table.items():
            method, path = route.split()
            path = prefix + re.sub(r"\{\w+\}", ABSENT_ID, path)
            scopes = set(words.split()) - {"platform"}

            assert (await stranger.request(method, path)).status_code == 401, route
            for scope in EVERYTHING:
                status = (await stranger.request(method, path, headers=headers[scope])).status_code
                # Draining needs more than the scope of its route.
                expected = (200, 400, 403, 404, 422) if "drain" in path else (200, 400, 404, 422)
                assert status in expected if scope in scopes else status == 403, (route, scope, status)


async def test_a_kind_of_target_is_written_only_with_its_scope(stranger, caller):
    """Creating, replacing, changing, telling and switching on need it; switching off and deleting do not."""
    writer = await caller("scheduler:write", "scheduler:read")
    for kind, target in (
        ("http", {"http": {"url": "https://example.org"}}),
        ("command", {"command": {"name": "tidy", "params": {}}}),
    ):
        holder = await caller("scheduler:write", f"jobs:{kind}")
        body = HOURLY | {"name": kind, "target": target}
        builtin = data_of(
            await stranger.post(f"{V1}/jobs", json=HOURLY | {"name": f"plain-{kind}"}, headers=writer), 201
        )
        made = data_of(await stranger.post(f"{V1}/jobs", json=body, headers=holder), 201)
        path = f"{V1}/jobs/{made['id']}"
        for method, url, sent in (
            ("POST", f"{V1}/jobs", body | {"name": "other"}),
            ("PUT", path, body),
            ("PATCH", path, {"queue": "slow"}),
            ("PUT", f"{path}/enable", {"enabled": True}),
            ("PUT", f"{path}/notify", {"email": []}),
            ("PATCH", f"{V1}/jobs/{builtin['id']}", {"target": {"builtin": None, **target}}),
        ):
            answer = await stranger.request(method, url, json=sent, headers=writer)
            problem = problem_of(answer, 403, "auth.scope_missing")
            assert f"jobs:{kind}" in problem["detail"], (method, url)
            assert f'scope="jobs:{kind}"' in answer.headers["www-authenticate"]

        off = await stranger.put(f"{path}/enable", json={"enabled": False}, headers=writer)
        assert data_of(off)["enabled"] is False
        data_of(await stranger.delete(path, headers=writer))


async def test_a_job_that_runs_something_else_from_now_on_needs_the_scope_of_that(api, caller):
    job = await make_job(api, name="web", target={"http": {"url": "https://example.org"}})
    writer = await caller("scheduler:write")

    answer = await api.patch(
        f"{V1}/jobs/{job['id']}", json={"target": {"http": None, "builtin": "hello_job"}}, headers=writer
    )

    assert data_of(answer)["kind"] == "builtin"
