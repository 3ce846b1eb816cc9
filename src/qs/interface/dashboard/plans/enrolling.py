"""Enrolling: one testee by a form, many by CSV, which is tried before it is done."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath

from qs.interface.dashboard.asking import Api, ApiRefused, segment
from qs.interface.dashboard.forms import FORM, FORM_BYTES, Form, read_form
from qs.interface.dashboard.pages import go_to, render
from qs.interface.dashboard.plans.listing import WRITE
from qs.interface.dashboard.plans.showing import today_in
from qs.interface.dashboard.reader import reader_of

_POSTED = {**WRITE, "consumes": (FORM,)}


@get("/plans/{plan_id:str}/enroll", opt=WRITE)
async def enroll_page(plan_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    return await _show(request, plan_id)


@post("/plans/{plan_id:str}/enroll", status_code=200, opt=_POSTED)
async def enroll_one(plan_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    form = await read_form(request)
    api = Api(request, reader_of(request).language)
    body: dict[str, Any] = {
        "plan_id": plan_id,
        "start_date": form["start_date"],
        "new_round": form["new_round"] == "yes",
        **form.given("testee_id", "external_id"),
    }
    try:
        # The key of the page that was sent: sent twice it enrolls once.
        joined = await api.ask("POST", "/plans/enroll", body=body, headers={"idempotency-key": form["once"]})
    except ApiRefused as refused:
        return await _show(request, plan_id, form=form, refused=refused)
    said = "enrolled" if joined.data["created"] else "enrolled_already"
    return go_to(f"/dashboard/plans/{segment(plan_id)}", said, n=len(joined.data["tasks"]))


@post(
    "/plans/{plan_id:str}/enroll-many",
    status_code=200,
    opt=_POSTED,
    request_max_body_size=3 * FORM_BYTES,
)
async def enroll_many(plan_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    """A dry run unless ``do`` says that the person has seen one."""
    form = await read_form(request)
    api = Api(request, reader_of(request).language)
    is_done = form["do"] == "enroll"
    try:
        answer = await api.ask(
            "POST",
            f"/plans/{segment(plan_id)}/enrollments/bulk",
            query={"dry_run": not is_done, "all_or_nothing": form["all_or_nothing"] == "yes"},
            body=form["csv"].encode(),
            headers={"content-type": "text/csv; charset=utf-8", "idempotency-key": form["once"]}
            if is_done
            else {"content-type": "text/csv; charset=utf-8"},
        )
    except ApiRefused as refused:
        return await _show(request, plan_id, form=form, refused=refused)
    return await _show(request, plan_id, form=form, outcome=answer.data, is_done=is_done)


async def _show(
    request: Request[Any, Any, Any],
    plan_id: str,
    *,
    form: Form | None = None,
    refused: ApiRefused | None = None,
    outcome: Any = None,
    is_done: bool = False,
) -> Response[Any]:
    api = Api(request, reader_of(request).language)
    plan = await api.get(f"/plans/{segment(plan_id)}")
    return render(
        request,
        "plans/enroll.html",
        status=refused.status if refused else 200,
        plan=plan,
        start_date=(form["start_date"] if form else "") or today_in(plan["timezone"]).isoformat(),
        form=form or Form({}),
        wrong=refused,
        outcome=outcome,
        is_done=is_done,
    )
