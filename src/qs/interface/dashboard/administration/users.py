"""Users of the organisation: who may sign in, with which roles."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath

from qs.domain.kernel.errors import Absent
from qs.interface.dashboard.asking import Api, ApiRefused, segment
from qs.interface.dashboard.forms import FORM, Form, read_form
from qs.interface.dashboard.pages import go_to, render
from qs.interface.dashboard.reader import reader_of

ADMIN = {"scope": "admin", "loose_query": True}
POSTED = {**ADMIN, "consumes": (FORM,)}
_AT = "/dashboard/administration/users"


@get("/administration/users", opt=ADMIN)
async def users_page(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _show(request)


@post("/administration/users", status_code=200, opt=POSTED)
async def create_user(request: Request[Any, Any, Any]) -> Response[Any]:
    form = await read_form(request)
    body = {"username": form["username"], "password": form.raw("password"), "roles": form.all("role")}
    try:
        await Api(request, reader_of(request).language).ask(
            "POST", "/admin/users", body=body, headers={"idempotency-key": form["once"]}
        )
    except ApiRefused as refused:
        return await _show(request, form, refused)
    return go_to(_AT, "user_created")


@post("/administration/users/{user_id:str}/{deed:str}", status_code=200, opt=POSTED)
async def do_with_user(
    user_id: FromPath[str], deed: FromPath[str], request: Request[Any, Any, Any]
) -> Response[Any]:
    """Shuts out, sets other roles or another password; each ends the user's sessions."""
    form = await read_form(request)
    asked: dict[str, tuple[str, Any]] = {
        "disable": ("POST", None),
        "roles": ("PUT", {"roles": form.all("role")}),
        "password": ("PUT", {"password": form.raw("password")}),
    }
    if deed not in asked:
        raise Absent("there is no such thing to do with a user; choose one of those on the page")
    method, body = asked[deed]
    try:
        await Api(request, reader_of(request).language).ask(
            method, f"/admin/users/{segment(user_id)}/{deed}", body=body
        )
    except ApiRefused as refused:
        return await _show(request, None, refused)
    return go_to(_AT, f"user_{deed}")


async def _show(
    request: Request[Any, Any, Any], form: Form | None = None, refused: ApiRefused | None = None
) -> Response[Any]:
    api = Api(request, reader_of(request).language)
    users = await api.get("/admin/users", page=request.query_params.get("page"))
    known = await api.get("/admin/roles")
    return render(
        request,
        "administration/users.html",
        status=refused.status if refused else 200,
        users=users,
        roles=[role["name"] for role in known["roles"]],
        form=form or Form({}),
        wrong=refused,
    )
