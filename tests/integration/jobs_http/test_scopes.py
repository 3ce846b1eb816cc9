"""Who may call which route of the scheduler, and which kinds of target need a scope of their own."""

import re
from typing import Any

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from qs.interface.rest.guards import is_public, scopes_of_route

from .steps import ABSENT_ID, ECRON, HOURLY, V1, data_of, make_job, problem_of, run_job

READ, WRITE, RUN = "scheduler:read platform", "scheduler:write platform", "scheduler:run platform"
SHOW = "scheduler:read scheduler:run statistics:sync tasks:schedule platform"
TABLE = {
    "GET /jobs": READ,
    "POST /jobs": WRITE,
    "GET /jobs/recent": READ,
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


COMMAND = {"command": {"name": "tidy", "params": {}}}


@pytest.fixture
async def middle(api):
    """The job `middle`, whose success leads to the command `deploy`; both written by somebody who may."""
    await make_job(api, name="deploy", target=COMMAND)
    return await make_job(api, name="middle", on_success=["deploy"])


@pytest.mark.parametrize("following", ["deploy", "middle"])
async def test_a_chain_that_leads_to_a_command_is_written_only_with_its_scope(api, caller, middle, following):
    plain = await make_job(api, name="plain")
    writer = await caller("scheduler:write", "scheduler:read")
    holder = await caller("scheduler:write", "jobs:command")
    chained = HOURLY | {"name": "new", "on_failure": [following]}
    path = f"{V1}/jobs/{plain['id']}"
    for method, url, sent in (
        ("POST", f"{V1}/jobs", chained),
        ("PUT", path, chained),
        ("PATCH", path, {"on_failure": [following]}),
        ("POST", f"{V1}/jobs/apply", {"owner": "me", "jobs": [chained]}),
    ):
        answer = await api.request(method, url, json=sent, headers=writer)
        problem = problem_of(answer, 403, "auth.scope_missing")

        assert "on_failure of the job" in problem["detail"], (method, url)
        assert "leads to the job 'deploy'" in problem["detail"]
        assert "jobs:command" in problem["detail"]
        assert 'scope="jobs:command"' in answer.headers["www-authenticate"]

    data_of(await api.post(f"{V1}/jobs", json=chained, headers=holder), 201)


async def test_a_job_whose_chain_leads_to_a_command_is_changed_and_switched_on_only_with_its_scope(
    api, caller, middle
):
    writer = await caller("scheduler:write", "scheduler:read")
    path = f"{V1}/jobs/{middle['id']}"
    ecron = f"{ECRON}/job/{middle['id']}"
    data_of(await api.put(f"{path}/enable", json={"enabled": False}, headers=writer))
    for url, sent in (
        (f"{path}/enable", {"enabled": True}),
        (f"{path}/notify", {"email": []}),
        (f"{ecron}/enable", {"enable": True}),
        (f"{ecron}/notify", {"webhook": "https://example.org"}),
    ):
        problem = problem_of(await api.put(url, json=sent, headers=writer), 403, "auth.scope_missing")

        assert "on_success of the job 'middle' leads to the job 'deploy'" in problem["detail"], url

    cut = data_of(await api.patch(path, json={"on_success": []}, headers=writer))
    assert cut["document"]["on_success"] == []


async def test_the_jobs_of_a_set_are_looked_at_as_the_set_has_them(api, caller, middle):
    """What the set makes of a name counts, and what it leaves alone is read from what is stored."""
    writer = await caller("scheduler:write")
    jobs = [HOURLY | {"name": "one", "on_success": ["two"]}, HOURLY | {"name": "two"}]

    data_of(await api.post(f"{V1}/jobs/apply", json={"owner": "me", "jobs": jobs}, headers=writer))
    jobs[1]["on_completion"] = ["middle"]
    refused = await api.post(f"{V1}/jobs/apply", json={"owner": "me", "jobs": jobs}, headers=writer)

    assert "on_completion of the job 'two'" in problem_of(refused, 403, "auth.scope_missing")["detail"]


@pytest.mark.parametrize("name", ["deploy", "middle"])
async def test_what_comes_to_run_a_command_is_run_only_with_its_scope(api, caller, worker, middle, name):
    """By hand, again, over a range, and as ECron's clients do it."""
    job = data_of(await api.get(f"{V1}/jobs", params={"name": name}))[0]
    run = await run_job(api, job)
    await worker.work_off()
    runner = await caller("scheduler:run")
    dry = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T02:00:00Z", "dry_run": True}
    calls: tuple[tuple[str, Any], ...] = (
        (f"{V1}/jobs/{job['id']}/run", {}),
        (f"{V1}/jobs/{job['id']}/backfill", dry),
        (f"{V1}/executions/{run['id']}/retry", None),
        (f"{ECRON}/jobexecution", {"job_id": job["id"]}),
        (f"{ECRON}/jobexecution", {"job_name": name}),
    )
    for url, sent in calls:
        answer = await api.post(url, json=sent, headers=runner)
        assert "jobs:command" in problem_of(answer, 403, "auth.scope_missing")["detail"], url

    holder = await caller("scheduler:run", "jobs:command")
    for url, sent in calls:
        assert (await api.post(url, json=sent, headers=holder)).status_code == 200, url
        await worker.work_off()


async def test_an_http_job_is_run_and_chained_without_the_scope_to_write_one(api, caller):
    web = await make_job(api, name="web", target={"http": {"url": "https://example.org"}})
    operator = await caller("scheduler:write", "scheduler:run", "scheduler:read")

    data_of(await api.post(f"{V1}/jobs/{web['id']}/run", headers=operator))
    data_of(await api.post(f"{V1}/jobs", json=HOURLY | {"on_success": ["web"]}, headers=operator), 201)
