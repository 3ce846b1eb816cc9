"""The published document shows requests that are accepted, and answers are what it says they are."""

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from .steps import ECRON, HOURLY, V1, make_job, run_job
from .test_scopes import ECRON_TABLE, TABLE


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for prefix, table in ((V1, TABLE), (ECRON, ECRON_TABLE)):
        for route in table:
            method, path = route.split()
            yield f"{method} {prefix}{path}", document["paths"][prefix + path][method.lower()]


def example_of(operation: dict[str, Any]) -> Any:
    content = operation["requestBody"]["content"]["application/json"]
    return content.get("example") or content["schema"]["examples"][0]


async def test_every_route_is_summarised_and_says_what_it_answers(stranger):
    document = (await stranger.get("/schema/openapi.json")).json()

    for route, operation in operations(document):
        assert operation["summary"], route
        for status in set(operation["responses"]) & {"200", "201"}:
            for content in operation["responses"][status]["content"].values():
                assert content["schema"], route
    log = document["paths"][f"{V1}/executions/{{execution_id}}/log"]["get"]["responses"]["200"]["content"]
    assert set(log) == {"application/json", "text/plain", "text/event-stream"}


async def test_every_request_that_the_document_shows_fits_its_schema_and_is_accepted(api):
    document = (await api.get("/schema/openapi.json")).json()
    job = await make_job(api)
    run = await run_job(api, job)
    (await api.post(f"{V1}/calendars", json={"name": "off"})).raise_for_status()

    shown = 0
    for route, operation in operations(document):
        if "requestBody" not in operation:
            continue
        method, path = route.split()
        example = example_of(operation)
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        Draft202012Validator({**document, **schema}).validate(example)
        if path == f"{ECRON}/jobexecution":
            example = {"job_id": job["id"]}
        if method == "PUT" and "job_name" in str(example):
            example = example | {"job_name": "every-night"}
        if method in ("PUT", "PATCH") and path == f"{V1}/jobs/{{job_id}}":
            # The document has one example of a job, and the job of that name is there by now.
            example = example | {"name": f"shown to {method}"}
        path = path.replace("{job_id}", job["id"]).replace("{job_ids}", job["id"]).replace("{name}", "off")
        path = path.replace("{execution_id}", run["id"]).replace("{ids}", run["id"])
        answer = await api.request(method, path, json=example)
        # Reports are for executions that wait for one, and a job runs beside itself only where it may.
        assert answer.status_code in (200, 201) or "not_awaited" in answer.text or "busy" in answer.text, (
            route,
            answer.text,
        )
        shown += 1
    assert shown >= 14


async def test_answers_are_what_the_document_says(api):
    document = (await api.get("/schema/openapi.json")).json()
    job = await make_job(api, notify={"email": ["a@example.org"]}, overlap="queue_one")
    run = await run_job(api, job)
    path = f"{V1}/jobs/{job['id']}"

    for method, url, template, body in (
        ("GET", f"{V1}/jobs", f"{V1}/jobs", None),
        ("GET", path, f"{V1}/jobs/{{job_id}}", None),
        ("PATCH", path, f"{V1}/jobs/{{job_id}}", {"queue": "slow"}),
        ("GET", f"{path}/status", f"{V1}/jobs/{{job_id}}/status", None),
        ("GET", f"{path}/next", f"{V1}/jobs/{{job_id}}/next", None),
        ("GET", f"{V1}/executions", f"{V1}/executions", None),
        ("GET", f"{V1}/executions/{run['id']}", f"{V1}/executions/{{execution_id}}", None),
        ("GET", f"{V1}/executions/{run['id']}/log", f"{V1}/executions/{{execution_id}}/log", None),
        ("GET", f"{V1}/jobs/export", f"{V1}/jobs/export", None),
        ("POST", f"{V1}/jobs/apply", f"{V1}/jobs/apply", {"owner": "x", "jobs": [HOURLY | {"name": "b"}]}),
        ("GET", f"{V1}/nodes", f"{V1}/nodes", None),
        ("GET", f"{V1}/queues", f"{V1}/queues", None),
        ("GET", f"{V1}/status", f"{V1}/status", None),
        ("GET", f"{ECRON}/job", f"{ECRON}/job", None),
        ("GET", f"{ECRON}/jobtotal", f"{ECRON}/jobtotal", None),
    ):
        answer = await api.request(method, url, json=body)
        content = document["paths"][template][method.lower()]["responses"]["200"]["content"]
        Draft202012Validator({**document, **content["application/json"]["schema"]}).validate(answer.json())
