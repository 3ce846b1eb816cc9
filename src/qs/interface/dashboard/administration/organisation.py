"""The organisation of whoever is signed in: its name, its zone, and which of its staff are told of trouble."""

from typing import Any

from litestar import Request, Response, get, post

from qs.interface.dashboard.administration.users import ADMIN, POSTED
from qs.interface.dashboard.asking import Api, ApiRefused
from qs.interface.dashboard.forms import read_form
from qs.interface.dashboard.pages import go_to, render
from qs.interface.dashboard.reader import reader_of

CHANNELS = ("email", "apprise")
_EMPTY_LINES = 2


@get("/administration/organisation", opt=ADMIN)
async def organisation_page(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _show(request)


@post("/administration/organisation", status_code=200, opt=POSTED)
async def save_organisation(request: Request[Any, Any, Any]) -> Response[Any]:
    form = await read_form(request)
    pairs = zip(form.all("channel"), form.all("address"), strict=False)
    contacts = [
        {"channel": channel, "address": address.strip()} for channel, address in pairs if address.strip()
    ]
    body = {**form.given("name", "timezone"), "staff_contacts": contacts}
    headers = {"if-match": form["etag"]} if form["etag"] else {}
    try:
        await Api(request, reader_of(request).language).ask(
            "PATCH", f"/admin/tenants/{request.user.home_tenant}", body=body, headers=headers
        )
    except ApiRefused as refused:
        return await _show(request, body, refused)
    return go_to("/dashboard/administration/organisation", "organisation_saved")


async def _show(
    request: Request[Any, Any, Any], typed: dict[str, Any] | None = None, refused: ApiRefused | None = None
) -> Response[Any]:
    shown = await Api(request, reader_of(request).language).ask(
        "GET", f"/admin/tenants/{request.user.home_tenant}"
    )
    tenant = {**shown.data, **(typed or {})}
    empty = [{"channel": CHANNELS[0], "address": ""} for _ in range(_EMPTY_LINES)]
    return render(
        request,
        "administration/organisation.html",
        status=refused.status if refused else 200,
        tenant=tenant,
        contacts=[*tenant["staff_contacts"], *empty],
        channels=CHANNELS,
        etag=shown.etag,
        wrong=refused,
    )
