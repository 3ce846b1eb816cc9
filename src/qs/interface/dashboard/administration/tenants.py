"""Every organisation of the installation, for those who run it: made, changed, suspended and let go on."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath

from qs.domain.identity.errors import TenantsForOperators
from qs.domain.kernel.errors import Absent
from qs.domain.kernel.quotas import Quota
from qs.interface.dashboard.administration.users import ADMIN, POSTED
from qs.interface.dashboard.asking import Answer, Api, ApiRefused, segment
from qs.interface.dashboard.forms import Form, number, read_form
from qs.interface.dashboard.pages import go_to, render
from qs.interface.dashboard.reader import reader_of

_AT = "/dashboard/administration/tenants"
_ROWS = 20
_STATUSES = {"suspend": "suspended", "resume": "active"}
HELD = {quota.value: quota.value.removeprefix("max_") for quota in Quota}
"""What is held of what a quota limits, as usage names it."""


@get("/administration/tenants", opt=ADMIN)
async def tenants_page(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _list(request)


@post("/administration/tenants", status_code=200, opt=POSTED)
async def create_tenant(request: Request[Any, Any, Any]) -> Response[Any]:
    form = await read_form(request)
    body: dict[str, Any] = {
        "slug": form["slug"],
        "name": form["name"],
        "timezone": form["timezone"],
        "quotas": _quotas(form),
    }
    if form["username"] or form.raw("password"):
        body["administrator"] = {"username": form["username"], "password": form.raw("password")}
    try:
        made = await _api(request).ask(
            "POST", "/admin/tenants", body=body, headers={"idempotency-key": form["once"]}
        )
    except ApiRefused as refused:
        return await _list(request, form, refused)
    said = "tenant_administered" if "administrator" in body else "tenant_created"
    return go_to(f"{_AT}/{made.data['id']}", said)


@get("/administration/tenants/{tenant_id:str}", opt=ADMIN)
async def tenant_page(tenant_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    return await _show(request, tenant_id)


@post("/administration/tenants/{tenant_id:str}", status_code=200, opt=POSTED)
async def save_tenant(tenant_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    form = await read_form(request)
    body = {"name": form["name"], "timezone": form["timezone"], "quotas": _quotas(form)}
    try:
        await _change(_api(request), tenant_id, body, form)
    except ApiRefused as refused:
        return await _show(request, tenant_id, body, refused)
    return go_to(f"{_AT}/{segment(tenant_id)}", "tenant_saved")


@get("/administration/tenants/{tenant_id:str}/{turn:str}", opt=ADMIN)
async def turn_page(
    tenant_id: FromPath[str], turn: FromPath[str], request: Request[Any, Any, Any]
) -> Response[Any]:
    """What suspending or resuming would do, and to how many, before it is done."""
    return await _ask(request, tenant_id, turn)


@post("/administration/tenants/{tenant_id:str}/{turn:str}", status_code=200, opt=POSTED)
async def turn_tenant(
    tenant_id: FromPath[str], turn: FromPath[str], request: Request[Any, Any, Any]
) -> Response[Any]:
    """Suspends it once its short name was typed, or lets it go on."""
    form = await read_form(request)
    api = _api(request)
    status = _status(turn)
    tenant = await _tenant(api, tenant_id)
    if turn == "suspend" and form["slug"] != tenant.data["slug"]:
        return await _ask(request, tenant_id, turn, mistyped=form["slug"])
    try:
        await _change(api, tenant_id, {"status": status}, form)
    except ApiRefused as refused:
        return await _ask(request, tenant_id, turn, refused)
    return go_to(f"{_AT}/{segment(tenant_id)}", f"tenant_{turn}")


async def _list(
    request: Request[Any, Any, Any], form: Form | None = None, refused: ApiRefused | None = None
) -> Response[Any]:
    api = _api(request)
    tenants = await api.get("/admin/tenants", page=request.query_params.get("page"), page_size=_ROWS)
    return render(
        request,
        "administration/tenants.html",
        status=refused.status if refused else 200,
        tenants=tenants,
        usage=await _usage(api, [each["id"] for each in tenants["items"]]),
        held=HELD,
        by_password=request.app.state.container.settings().auth.mode == "builtin",
        form=form or Form({}),
        wrong=refused,
    )


async def _show(
    request: Request[Any, Any, Any],
    tenant_id: str,
    typed: dict[str, Any] | None = None,
    refused: ApiRefused | None = None,
) -> Response[Any]:
    api = _api(request)
    shown = await _tenant(api, tenant_id)
    usage = await _usage(api, [shown.data["id"]])
    return render(
        request,
        "administration/tenant.html",
        status=refused.status if refused else 200,
        tenant=shown.data,
        values={**shown.data, **(typed or {})},
        usage=usage[shown.data["id"]],
        held=HELD,
        is_own=shown.data["id"] == str(request.user.home_tenant),
        etag=shown.etag,
        wrong=refused,
    )


async def _ask(
    request: Request[Any, Any, Any],
    tenant_id: str,
    turn: str,
    refused: ApiRefused | None = None,
    mistyped: str | None = None,
) -> Response[Any]:
    _status(turn)
    api = _api(request)
    shown = await _tenant(api, tenant_id)
    usage = await _usage(api, [shown.data["id"]])
    return render(
        request,
        "administration/turn.html",
        status=refused.status if refused else 422 if mistyped is not None else 200,
        tenant=shown.data,
        turn=turn,
        usage=usage[shown.data["id"]],
        etag=shown.etag,
        mistyped=mistyped,
        wrong=refused,
    )


def _api(request: Request[Any, Any, Any]) -> Api:
    """Raises TenantsForOperators for administrators of another organisation, who have a page of their own."""
    if not request.user.acts_for_installation:
        raise TenantsForOperators
    return Api(request, reader_of(request).language)


async def _tenant(api: Api, tenant_id: str) -> Answer:
    return await api.ask("GET", f"/admin/tenants/{segment(tenant_id)}")


async def _change(api: Api, tenant_id: str, body: dict[str, Any], form: Form) -> None:
    headers = {"if-match": form["etag"]} if form["etag"] else {}
    await api.ask("PATCH", f"/admin/tenants/{segment(tenant_id)}", body=body, headers=headers)


async def _usage(api: Api, ids: list[str]) -> dict[str, Any]:
    found = await api.get("/admin/tenants/usage", ids=",".join(ids)) if ids else []
    return {each["tenant_id"]: each for each in found}


def _quotas(form: Form) -> dict[str, int | str | None]:
    return {name: number(form[name]) if form[name] else None for name in HELD}


def _status(turn: str) -> str:
    if turn not in _STATUSES:
        raise Absent("organisations are suspended and let go on; there is no other thing to do with one")
    return _STATUSES[turn]
