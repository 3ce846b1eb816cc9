"""Tasks: the list behind every number, and why one is in its state."""

from datetime import UTC, datetime, timedelta
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from qs.application.plan.standing import SOON
from qs.domain.plan.task import TaskStatus
from qs.interface.dashboard.asking import Api, ApiRefused, segment
from qs.interface.dashboard.pages import render
from qs.interface.dashboard.reader import Reader, reader_of

READ = {"scope": "tasks:read", "loose_query": True}
_PAGE = 50


@get("/tasks", opt=READ)
async def tasks_page(request: Request[Any, Any, Any]) -> Response[Any]:
    query = request.query_params
    reader = reader_of(request)
    api = Api(request, reader.language)
    status = query.get("status") or None
    due, closing = query.get("due"), query.get("closing")
    now = await _business_now(api) if due or closing else datetime.now(UTC)
    found = await api.get(
        "/plans/tasks",
        status=status,
        plan_id=query.get("plan_id"),
        testee_id=query.get("testee_id"),
        planned_to=_wire(now) if due else None,
        expires_before=_wire(now + SOON) if closing else None,
        cursor=query.get("cursor"),
        page_size=_PAGE,
    )
    names = await names_of(api, reader, [task["testee_id"] for task in found["items"]])
    return render(
        request, "people/tasks.html", tasks=found, chosen=status, statuses=list(TaskStatus), names=names
    )


@get("/tasks/{task_id:str}", opt=READ)
async def task_page(task_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    return await show_task(request, task_id)


async def show_task(
    request: Request[Any, Any, Any], task_id: str, refused: ApiRefused | None = None
) -> Response[Any]:
    """The page of a task, with why something could not be done to it."""
    reader = reader_of(request)
    api = Api(request, reader.language)
    at = f"/plans/tasks/{segment(task_id)}"
    task = await api.get(at)
    plan, explained, messages = await api.together(
        api.get(f"/plans/{task['plan_id']}"),
        api.get(f"{at}/explain"),
        api.get("/notifications", task_id=task["id"], page_size=_PAGE),
    )
    names = await names_of(api, reader, [task["testee_id"]])
    return render(
        request,
        "people/task.html",
        status=refused.status if refused else 200,
        task=task,
        plan=plan,
        explained=explained,
        messages=messages,
        name=names.get(task["testee_id"]),
        wrong=refused,
    )


async def names_of(api: Api, reader: Reader, testee_ids: list[str]) -> dict[str, str]:
    """What the testees of a page are called, 100 of them at most, for those who may know."""
    if not testee_ids or not reader.may("testees:read"):
        return {}
    ids = list(dict.fromkeys(testee_ids))
    (found,) = await api.together(api.get("/testees", ids=",".join(ids), page_size=len(ids)))
    if isinstance(found, ApiRefused):
        return {}
    return {testee["id"]: testee["name"] or testee["external_id"] or "" for testee in found["items"]}


async def _business_now(api: Api) -> datetime:
    """The instant that decides what is due, which installations for trials move on."""
    (overview,) = await api.together(api.get("/overview"))
    if isinstance(overview, ApiRefused) or not overview["tasks"]:
        return datetime.now(UTC)
    return datetime.fromisoformat(overview["tasks"]["now"])


def _wire(at: datetime) -> str:
    # Filters are exclusive, and what is due now is due.
    return (at + timedelta(seconds=1)).isoformat()
