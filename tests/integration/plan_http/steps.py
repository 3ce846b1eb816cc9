"""What these tests do over HTTP before the one call they are about."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from httpx import AsyncClient, Response
from litestar.types import ASGIApp

from qs.container import Container

V1 = "/api/v1"
ABSENT_ID = "01980000-0000-7000-8000-000000000000"
WEEKLY = {
    "name": "Follow-up",
    "scale_code": "PHQ-9",
    "schedule_type": "by_week",
    "interval": 1,
    "total_times": 4,
}


def data_of(response: Response, status: int = 200) -> Any:
    """The data of a success of that status."""
    assert response.status_code == status, response.text
    body = response.json()
    assert (body["code"], body["message"]) == (status, "success")
    return body["data"]


def problem_of(response: Response, status: int, error: str) -> dict[str, Any]:
    """The problem details of a failure of that status and code."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (body["status"], body["code"], body["error"]) == (status, status, error), body
    assert body["message"] == body["detail"]
    return body


def pointers_of(response: Response, error: str) -> list[str]:
    """Where the input of a 422 was wrong, in order."""
    return sorted(each["pointer"] for each in problem_of(response, 422, error).get("errors", []))


def instant(text: str) -> datetime:
    """An instant as it is on the wire."""
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


def soon(days: int = 3) -> str:
    """A start date some days from now, so that every occasion is still to come."""
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


async def make_plan(api: AsyncClient, **fields: Any) -> dict[str, Any]:
    """A plan, weekly for four weeks unless said."""
    plan: dict[str, Any] = data_of(await api.post(f"{V1}/plans", json=WEEKLY | fields), 201)
    return plan


async def make_testee(api: AsyncClient, **fields: Any) -> dict[str, Any]:
    testee: dict[str, Any] = data_of(await api.post(f"{V1}/testees", json={"name": "Li Lei"} | fields), 201)
    return testee


async def join(
    api: AsyncClient, plan: dict[str, Any], testee: dict[str, Any] | None = None, start: str | None = None
) -> dict[str, Any]:
    """What enrolling answers; a new testee from soon on unless said."""
    testee = testee or await make_testee(api)
    body = {"plan_id": plan["id"], "testee_id": testee["id"], "start_date": start or soon()}
    joined: dict[str, Any] = data_of(await api.post(f"{V1}/plans/enroll", json=body), 201)
    return joined


async def make_tasks(api: AsyncClient, **fields: Any) -> list[dict[str, Any]]:
    """The pending tasks of one testee in a new plan."""
    tasks: list[dict[str, Any]] = (await join(api, await make_plan(api, **fields)))["tasks"]
    return tasks


async def make_due(container: Container, task: dict[str, Any]) -> None:
    """Moves business time to the moment the task is planned for, if that is still to come."""
    clock = container.clock_advancing()
    if (await clock.read()).now < instant(task["planned_at"]):
        await clock.advance_to(instant(task["planned_at"]), actor="test")


async def make_opened(api: AsyncClient, container: Container, **fields: Any) -> dict[str, Any]:
    """An opened task with its ``entry``."""
    task = (await make_tasks(api, **fields))[0]
    await make_due(container, task)
    opened: dict[str, Any] = data_of(await api.post(f"{V1}/plans/tasks/{task['id']}/open"))
    return opened


async def run_out(container: Container, task: dict[str, Any]) -> None:
    """Moves business time to the moment the task's link runs out."""
    await container.clock_advancing().advance_to(instant(task["expires_at"]), actor="test")


async def task_of(api: AsyncClient, task: dict[str, Any]) -> dict[str, Any]:
    """The task as it is now."""
    now: dict[str, Any] = data_of(await api.get(f"{V1}/plans/tasks/{task['id']}"))
    return now


async def get_raw(app: ASGIApp, path: str, query: bytes) -> tuple[int, bytes]:
    """Status and body of a GET whose query is longer or odder than a client would send."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query,
        "headers": [(b"host", b"qs.test")],
        "client": ("127.0.0.1", 50_000),
        "server": ("qs.test", 80),
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)  # type: ignore[arg-type]
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def is_uuid(text: str) -> bool:
    return str(UUID(text)) == text
