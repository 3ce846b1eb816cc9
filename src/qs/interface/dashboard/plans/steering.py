"""Pausing, resuming, finishing and canceling a plan: first what it would do to which task, then the deed."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath

from qs.application.plan.rehearsing import Steer
from qs.domain.kernel.errors import Absent
from qs.domain.plan.plan import ResumePolicy
from qs.interface.dashboard.asking import Api, ApiRefused, segment
from qs.interface.dashboard.forms import FORM, read_form
from qs.interface.dashboard.pages import go_to, render
from qs.interface.dashboard.plans.listing import WRITE
from qs.interface.dashboard.reader import reader_of

SHOWN = 100
"""So many tasks are named one by one; the rest is counted."""


@get("/plans/{plan_id:str}/steer/{steer:str}", opt=WRITE)
async def steer_page(
    plan_id: FromPath[str], steer: FromPath[str], request: Request[Any, Any, Any]
) -> Response[Any]:
    """What the command would do; ``?policy=`` for resuming."""
    policy = request.query_params.get("policy") or ResumePolicy.KEEP.value
    return await _show(request, plan_id, _named(steer), policy)


@post("/plans/{plan_id:str}/steer/{steer:str}", status_code=200, opt={**WRITE, "consumes": (FORM,)})
async def steer_plan(
    plan_id: FromPath[str], steer: FromPath[str], request: Request[Any, Any, Any]
) -> Response[Any]:
    form = await read_form(request)
    api = Api(request, reader_of(request).language)
    command, policy = _named(steer), form["policy"] or ResumePolicy.KEEP.value
    body = {"policy": policy} if command is Steer.RESUME else None
    # Of the version that the person saw: whoever changed it meanwhile is not overruled.
    headers = {"if-match": form["etag"]} if form["etag"] else {}
    try:
        await api.ask("POST", f"/plans/{segment(plan_id)}/{command}", body=body, headers=headers)
    except ApiRefused as refused:
        return await _show(request, plan_id, command, policy, refused)
    return go_to(f"/dashboard/plans/{segment(plan_id)}", f"plan_{command}")


async def _show(
    request: Request[Any, Any, Any],
    plan_id: str,
    steer: Steer,
    policy: str,
    refused: ApiRefused | None = None,
) -> Response[Any]:
    api = Api(request, reader_of(request).language)
    at = f"/plans/{segment(plan_id)}"
    shown = await api.ask("GET", at)
    body = {"policy": policy} if steer is Steer.RESUME else None
    effect = None
    try:
        effect = (await api.ask("POST", f"{at}/{steer}", query={"dry_run": True}, body=body)).data
    except ApiRefused as error:
        refused = refused or error
    return render(
        request,
        "plans/steer.html",
        status=refused.status if refused else 200,
        plan=shown.data,
        etag=shown.etag,
        steer=steer.value,
        policy=policy,
        policies=[each.value for each in ResumePolicy],
        effect=effect,
        shown=SHOWN,
        wrong=refused,
    )


def _named(steer: str) -> Steer:
    try:
        return Steer(steer)
    except ValueError:
        raise Absent("plans are paused, resumed, finished and canceled; there is no such command") from None
