"""Machines that call: service accounts and API keys, whose secrets are shown once."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath

from qs.domain.kernel.errors import Absent
from qs.interface.dashboard.administration.users import ADMIN, POSTED
from qs.interface.dashboard.asking import Api, ApiRefused, segment
from qs.interface.dashboard.forms import Form, read_form
from qs.interface.dashboard.pages import go_to, render
from qs.interface.dashboard.reader import reader_of

_AT = "/dashboard/administration/machines"


@get("/administration/machines", opt=ADMIN)
async def machines_page(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _show(request)


@post("/administration/accounts", status_code=200, opt=POSTED)
async def create_account(request: Request[Any, Any, Any]) -> Response[Any]:
    form = await read_form(request)
    body = {"name": form["name"], "scopes": form.all("scope")}
    try:
        made = await Api(request, reader_of(request).language).ask(
            "POST", "/admin/service-accounts", body=body
        )
    except ApiRefused as refused:
        return await _show(request, form, refused)
    return show_secret(request, _AT, {"client_id": made.data["client_id"]}, made.data["client_secret"])


@post("/administration/accounts/{account_id:str}/{deed:str}", status_code=200, opt=POSTED)
async def do_with_account(
    account_id: FromPath[str], deed: FromPath[str], request: Request[Any, Any, Any]
) -> Response[Any]:
    """Disables it, or gives it another secret in the place of the one it has."""
    if deed not in ("disable", "secret"):
        raise Absent("there is no such thing to do with an account; choose one of those on the page")
    await read_form(request)
    at = f"/admin/service-accounts/{segment(account_id)}"
    api = Api(request, reader_of(request).language)
    try:
        if deed == "disable":
            await api.ask("DELETE", at)
            return go_to(_AT, "account_disabled")
        made = await api.ask("POST", f"{at}/secret")
    except ApiRefused as refused:
        return await _show(request, None, refused)
    return show_secret(request, _AT, {"client_id": made.data["client_id"]}, made.data["client_secret"])


@post("/administration/keys", status_code=200, opt=POSTED)
async def create_key(request: Request[Any, Any, Any]) -> Response[Any]:
    form = await read_form(request)
    days = form["expires_in_days"]
    body = {
        "name": form["name"],
        "scopes": form.all("scope"),
        "expires_in_days": int(days) if days.isdecimal() and len(days) < 6 else 90,
    }
    try:
        made = await Api(request, reader_of(request).language).ask("POST", "/admin/api-keys", body=body)
    except ApiRefused as refused:
        return await _show(request, form, refused)
    return show_secret(request, _AT, {"name": made.data["name"]}, made.data["key"])


@post("/administration/keys/{key_id:str}/revoke", status_code=200, opt=POSTED)
async def revoke_key(key_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    await read_form(request)
    try:
        await Api(request, reader_of(request).language).ask("DELETE", f"/admin/api-keys/{segment(key_id)}")
    except ApiRefused as refused:
        return await _show(request, None, refused)
    return go_to(_AT, "key_revoked")


def show_secret(
    request: Request[Any, Any, Any], back: str, facts: dict[str, str], secret: str
) -> Response[Any]:
    """The one page that a secret is on; it is not there again."""
    return render(request, "administration/secret.html", back=back, facts=facts, secret=secret)


async def _show(
    request: Request[Any, Any, Any], form: Form | None = None, refused: ApiRefused | None = None
) -> Response[Any]:
    api = Api(request, reader_of(request).language)
    known = await api.get("/admin/roles")
    accounts, keys = await api.together(
        api.get("/admin/service-accounts", page_size=100), api.get("/admin/api-keys", page_size=100)
    )
    return render(
        request,
        "administration/machines.html",
        status=refused.status if refused else 200,
        accounts=accounts,
        keys=keys,
        scopes=[scope["name"] for scope in known["scopes"]],
        form=form or Form({}),
        wrong=refused,
    )
