from collections.abc import AsyncIterator
from typing import Any

from httpx import AsyncClient

from tests.integration.plan_http.steps import V1, data_of, make_plan, make_testee, soon
from tests.integration.plan_http.test_scopes import TABLE


async def operations_of(client: AsyncClient) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """(method, path) and description of every route of the plan context, from the published document."""
    document = (await client.get("/schema/openapi.json")).json()
    for route in TABLE:
        method, path = route.split()
        full = path if path.startswith(("/entry", "/unsubscribe")) else V1 + path
        yield route, document["paths"][full][method.lower()]


def example_of(operation: dict[str, Any]) -> Any:
    """The request that the document shows."""
    content = operation["requestBody"]["content"]["application/json"]
    return content.get("example") or content["schema"]["examples"][0]


async def test_every_route_is_summarised_and_says_what_it_answers(stranger):
    async for route, operation in operations_of(stranger):
        assert operation["summary"], route
        for status in set(operation["responses"]) & {"200", "201"}:
            (content,) = operation["responses"][status]["content"].values()
            assert content["schema"], route


async def test_every_request_that_the_document_shows_is_accepted(api):
    shown = {
        route: example_of(operation)
        async for route, operation in operations_of(api)
        if "requestBody" in operation
    }
    plan = await make_plan(api)
    testee = await make_testee(api)
    enroll = shown.pop("POST /plans/enroll") | {"plan_id": plan["id"], "start_date": soon()}
    accepted = {
        "POST /plans": "/plans",
        "PATCH /plans/{plan_id}": f"/plans/{plan['id']}",
        "POST /plans/{plan_id}/resume": f"/plans/{plan['id']}/resume",
        "POST /plans/preview": "/plans/preview",
        "POST /plans/{plan_id}/enrollments/bulk": f"/plans/{plan['id']}/enrollments/bulk",
        "POST /plans/{plan_id}/testees/{testee_id}/terminate": (
            f"/plans/{plan['id']}/testees/{testee['id']}/terminate"
        ),
        "POST /testees": "/testees",
        "PUT /testees/{testee_id}": "/testees/ext:P-0001",
        "POST /scales": "/scales",
    }

    for route, path in accepted.items():
        answer = await api.request(route.split()[0], V1 + path, json=shown.pop(route))
        assert answer.status_code in (200, 201), (route, answer.text)
    joined = data_of(await api.post(f"{V1}/plans/enroll", json=enroll), 201)
    resumed = f"{V1}/enrollments/{joined['enrollment']['id']}/resume"
    data_of(await api.post(resumed, json=shown.pop("POST /enrollments/{enrollment_id}/resume")))

    # These speak of a task that is not there or in another state, which is found out after they are read.
    for route, example in shown.items():
        path = route.split()[1].replace("{task_id}", joined["tasks"][0]["id"])
        answer = await api.post(V1 + path, json=example)
        assert answer.status_code in (200, 404, 409) or route.endswith("/reschedule"), (route, answer.text)
