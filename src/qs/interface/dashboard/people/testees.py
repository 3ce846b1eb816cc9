"""Testees: their list, one of them with the calendar of tasks, and erasing one."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath

from qs.interface.dashboard.asking import Api, ApiRefused, segment
from qs.interface.dashboard.formats import parsed
from qs.interface.dashboard.forms import FORM, read_form
from qs.interface.dashboard.pages import go_to, render
from qs.interface.dashboard.reader import reader_of

READ = {"scope": "testees:read", "loose_query": True}
WRITE = {"scope": "testees:write", "loose_query": True}
_TASKS = 100


@get("/testees", opt=READ)
async def testees_page(request: Request[Any, Any, Any]) -> Response[Any]:
    query = request.query_params
    wanted = query.get("external_id", "").strip()
    api = Api(request, reader_of(request).language)
    missing = False
    if wanted:
        try:
            found = await api.get(f"/testees/{segment(f'ext:{wanted}')}")
        except ApiRefused as refused:
            if refused.status != 404:
                raise
            missing = True
        else:
            return go_to(f"/dashboard/testees/{found['id']}")
    testees = await api.get("/testees", page=query.get("page"))
    return render(request, "people/testees.html", testees=testees, wanted=wanted, missing=missing)


@get("/testees/{testee_id:str}", opt=READ)
async def testee_page(testee_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    return await _show(request, testee_id)


@get("/testees/{testee_id:str}/erase", opt=WRITE)
async def erase_page(testee_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    """What erasing would do, before it is done."""
    return await _ask_to_erase(request, testee_id)


@post("/testees/{testee_id:str}/erase", status_code=200, opt={**WRITE, "consumes": (FORM,)})
async def erase_testee(testee_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    form = await read_form(request)
    at = f"/testees/{segment(testee_id)}"
    headers = {"if-match": form["etag"]} if form["etag"] else {}
    try:
        await Api(request, reader_of(request).language).ask("DELETE", at, headers=headers)
    except ApiRefused as refused:
        return await _ask_to_erase(request, testee_id, refused)
    return go_to(f"/dashboard{at}", "testee_erased")


async def _ask_to_erase(
    request: Request[Any, Any, Any], testee_id: str, refused: ApiRefused | None = None
) -> Response[Any]:
    api = Api(request, reader_of(request).language)
    at = f"/testees/{segment(testee_id)}"
    shown = await api.ask("GET", at)
    plans, pending, opened = await api.together(
        api.get(f"{at}/plans"),
        api.get(f"{at}/tasks", status="pending", page_size=_TASKS),
        api.get(f"{at}/tasks", status="opened", page_size=_TASKS),
    )
    return render(
        request,
        "people/erase.html",
        status=refused.status if refused else 200,
        testee=shown.data,
        etag=shown.etag,
        plans=plans,
        pending=pending,
        opened=opened,
        wrong=refused,
    )


async def _show(request: Request[Any, Any, Any], testee_id: str) -> Response[Any]:
    reader = reader_of(request)
    api = Api(request, reader.language)
    at = f"/testees/{segment(testee_id)}"
    testee = await api.get(at)
    plans, tasks, figures = await api.together(
        api.get(f"{at}/plans"),
        api.get(f"{at}/tasks", page_size=_TASKS, cursor=request.query_params.get("cursor")),
        api.get(f"/statistics/testees/{testee['id']}"),
    )
    if not isinstance(tasks, ApiRefused):
        for task in tasks["items"]:
            task["planned_month"] = reader.local(parsed(task["planned_at"])).strftime("%Y-%m")
    named = {} if isinstance(plans, ApiRefused) else {plan["id"]: plan["name"] for plan in plans["items"]}
    return render(
        request, "people/testee.html", testee=testee, plans=plans, tasks=tasks, figures=figures, named=named
    )
