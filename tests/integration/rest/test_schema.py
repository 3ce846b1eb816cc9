"""The OpenAPI document says what the application does, and the page shows it from this machine alone."""

import json
import re
from typing import Any

import pytest
from httpx import AsyncClient
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from qs.container import Container
from qs.domain.plan.events import ALL_EVENTS
from qs.interface.rest.app import documented_handlers
from qs.interface.rest.document import build_document
from qs.interface.rest.events.schemas import event_schemas
from tests.integration.rest.conftest import Token
from tests.support.http import app_over, serving


@pytest.fixture
async def document(stranger: AsyncClient) -> dict[str, Any]:
    response = await stranger.get("/schema/openapi.json")
    assert response.headers["content-type"] == "application/json"
    found: dict[str, Any] = response.json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def test_every_operation_documents_its_failures_as_problems(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    for name, operation in operations(document):
        failures = {status: each for status, each in operation["responses"].items() if status[0] in "45"}
        assert {"400", "422", "500", "503"} <= failures.keys(), name
        for status, response in failures.items():
            if "$ref" in response:
                response = document["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
            # OAuth clients read refusals in the words of RFC 6749.
            is_oauth = name == "POST /oauth2/token" and status in ("400", "401", "429")
            # Who follows a link reads a page.
            is_page = name.split()[1].startswith(("/entry", "/unsubscribe")) and status in ("404", "410")
            expected = (
                "application/json" if is_oauth else "text/html" if is_page else "application/problem+json"
            )
            assert list(response["content"]) == [expected], name


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in re.findall(r'"#/components/(\w+)/([^"]+)"', str(document).replace("'", '"')):
        assert reference[1] in document["components"][reference[0]], reference


def test_bounds_of_parameters_are_documented(document: dict[str, Any]) -> None:
    parameters = {each["name"]: each for each in document["paths"]["/api/v1/things"]["get"]["parameters"]}

    assert parameters["page"]["schema"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 1_000_000,
        "default": 1,
    }
    assert parameters["page"]["description"] == "Page, counted from 1."
    assert parameters["page_size"]["schema"]["maximum"] == 100
    assert set(parameters) == {"page", "page_size", "colour", "owner_id", "day"}


def test_scopes_and_keys_are_documented(document: dict[str, Any]) -> None:
    create = document["paths"]["/api/v1/things"]["post"]
    alive = document["paths"]["/health/alive"]["get"]

    assert create["security"] == [{"bearer": []}, {"client": ["scales:write"]}]
    assert alive["security"] == []
    assert "Idempotency-Key" in {each["name"] for each in create["parameters"]}
    flow = document["components"]["securitySchemes"]["client"]["flows"]["clientCredentials"]
    assert flow["tokenUrl"] == "/oauth2/token"
    assert "scales:write" in flow["scopes"]


def test_a_body_that_may_be_left_out_is_documented_so(document: dict[str, Any]) -> None:
    assert document["paths"]["/api/v1/things/reason"]["post"]["requestBody"]["required"] is False
    assert document["paths"]["/api/v1/things"]["post"]["requestBody"]["required"] is True


def test_schemas_have_names_a_reader_understands(document: dict[str, Any]) -> None:
    names = set(document["components"]["schemas"])

    assert {"ThingBody", "ThingView", "ProblemDetails", "Success_ThingView"} <= names
    assert not [name for name in names if "." in name]


async def test_a_problem_is_what_the_document_says(document: dict[str, Any], client: AsyncClient) -> None:
    schema = {**document, "$ref": "#/components/schemas/ProblemDetails"}
    validator = Draft202012Validator(schema)

    for response in (
        await client.get("/api/v1/things?page=0&x=1"),
        await client.get("/nowhere"),
        await client.get("/api/v1/things/bug"),
    ):
        validator.validate(response.json())


async def test_an_answer_is_what_the_document_says(document: dict[str, Any], client: AsyncClient) -> None:
    created = await client.post("/api/v1/things", json={"code": "a"})
    content = document["paths"]["/api/v1/things"]["post"]["responses"]["201"]["content"]

    Draft202012Validator({**document, **content["application/json"]["schema"]}).validate(created.json())


async def test_the_page_and_all_it_needs_come_from_here(stranger: AsyncClient) -> None:
    page = await stranger.get("/schema")
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "<script>" not in page.text
    local = [each for each in assets if each.startswith("/")]
    assert len(local) == 4
    for each in local:
        response = await stranger.get(each)
        assert response.status_code == 200, each
        assert len(response.content) > 100


async def test_the_schema_of_every_event_is_there_for_anybody(stranger: AsyncClient) -> None:
    response = await stranger.get("/schema/events.json")

    schemas = response.json()
    assert response.headers["content-type"] == "application/json"
    assert schemas == json.loads(json.dumps(event_schemas()))
    assert {event.name for event in ALL_EVENTS} <= {schema["title"] for schema in schemas.values()}
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


async def test_no_other_file_is_served(stranger: AsyncClient) -> None:
    for name in ("nope.js", "..%2Fapp.py", "%2e%2e/app.py", "schema.html"):
        response = await stranger.get(f"/schema/assets/{name}")
        assert response.status_code == 404, name
        assert response.headers["content-type"] == "application/problem+json"


async def test_the_whole_applications_document_can_be_made(container: Container, token: Token) -> None:
    async with serving(app_over(container)) as client:
        document = (await client.get("/schema/openapi.json")).json()

    assert len(operations(document)) > 5
    test_every_operation_documents_its_failures_as_problems(document)
    test_every_reference_leads_somewhere(document)
    assert document == json.loads(json.dumps(build_document(documented_handlers()))), "examples are made up"
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(ids) == len(set(ids))
