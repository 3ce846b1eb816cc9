"""Executions: what ran, and one with its attempts and what it writes while it runs."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath

from qs.domain.kernel.errors import Absent
from qs.interface.dashboard.asking import Api, ApiRefused, segment
from qs.interface.dashboard.forms import FORM, read_form
from qs.interface.dashboard.pages import go_to, render
from qs.interface.dashboard.reader import reader_of
from qs.interface.dashboard.scheduler.jobs import JOBS, READ
from qs.interface.rest.scheduler.execution_dto import Status

_ROWS = 50
_LOG_BYTES = 65_536


@get("/scheduler/executions", opt=READ)
async def executions_page(request: Request[Any, Any, Any]) -> Response[Any]:
    query = request.query_params
    found = await Api(request, reader_of(request).language).get(
        "/scheduler/executions",
        name=query.get("name"),
        status=query.get("status"),
        cursor=query.get("cursor"),
        page_size=_ROWS,
    )
    return render(
        request,
        "scheduler/executions.html",
        runs=found,
        statuses=[each.value for each in Status],
        chosen=query.get("status"),
    )


@get("/scheduler/executions/{execution_id:str}", opt=READ)
async def execution_page(execution_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    return await _show(request, execution_id)


@post(
    "/scheduler/executions/{execution_id:str}/{deed:str}",
    status_code=200,
    opt={"scope": "scheduler:run", "loose_query": True, "consumes": (FORM,)},
)
async def do_with_execution(
    execution_id: FromPath[str], deed: FromPath[str], request: Request[Any, Any, Any]
) -> Response[Any]:
    """Cancels it, or runs it again once it is over."""
    if deed not in ("cancel", "retry"):
        raise Absent("executions are canceled and retried; there is no other thing to do with one")
    form = await read_form(request)
    # The key of the page that was sent: a second click retries no second time.
    headers = {"idempotency-key": form["once"]} if deed == "retry" else {}
    try:
        done = await Api(request, reader_of(request).language).ask(
            "POST", f"/scheduler/executions/{segment(execution_id)}/{deed}", headers=headers
        )
    except ApiRefused as refused:
        return await _show(request, execution_id, refused)
    return go_to(f"{JOBS}/executions/{done.data['id']}", f"execution_{deed}")


async def _show(
    request: Request[Any, Any, Any], execution_id: str, refused: ApiRefused | None = None
) -> Response[Any]:
    api = Api(request, reader_of(request).language)
    at = f"/scheduler/executions/{segment(execution_id)}"
    run = await api.get(at)
    offset = request.query_params.get("offset", "")
    (log,) = await api.together(
        api.get(f"{at}/log", offset=offset if offset.isdecimal() else 0, limit=_LOG_BYTES)
    )
    return render(
        request,
        "scheduler/execution.html",
        status=refused.status if refused else 200,
        run=run,
        log=log,
        is_active=run["status"] in (Status.QUEUED, Status.RUNNING, Status.RETRYING),
        wrong=refused,
    )
