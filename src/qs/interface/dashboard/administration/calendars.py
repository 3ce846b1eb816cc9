"""Calendars that jobs follow: which dates are holidays, and which are worked on all the same."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath

from qs.interface.dashboard.asking import Api, ApiRefused, segment
from qs.interface.dashboard.forms import FORM, read_form
from qs.interface.dashboard.pages import go_to, render
from qs.interface.dashboard.reader import reader_of

READ = {"scope": "scheduler:read", "loose_query": True}
WRITE = {"scope": "scheduler:write", "loose_query": True, "consumes": (FORM,)}
_AT = "/dashboard/administration/calendars"


@get("/administration/calendars", opt=READ)
async def calendars_page(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _show(request)


@get("/administration/calendars/{name:str}", opt=READ)
async def calendar_page(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    shown = await Api(request, reader_of(request).language).ask(
        "GET", f"/scheduler/calendars/{segment(name)}"
    )
    days = {kind: ", ".join(shown.data[kind]) for kind in ("holidays", "workdays")}
    return await _show(request, {"name": name, **days, "etag": shown.etag or ""})


@post("/administration/calendars", status_code=200, opt=WRITE)
async def save_calendar(request: Request[Any, Any, Any]) -> Response[Any]:
    """Makes one, or replaces the days of the one whose page it was sent from."""
    form = await read_form(request)
    days = {kind: _dates(form[kind]) for kind in ("holidays", "workdays")}
    api = Api(request, reader_of(request).language)
    try:
        if form["etag"]:
            at = f"/scheduler/calendars/{segment(form['name'])}"
            await api.ask("PUT", at, body=days, headers={"if-match": form["etag"]})
        else:
            await api.ask(
                "POST",
                "/scheduler/calendars",
                body={"name": form["name"], **days},
                headers={"idempotency-key": form["once"]},
            )
    except ApiRefused as refused:
        return await _show(request, form.written(), refused)
    return go_to(_AT, "calendar_saved")


@post("/administration/calendars/{name:str}/delete", status_code=200, opt=WRITE)
async def delete_calendar(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    await read_form(request)
    try:
        await Api(request, reader_of(request).language).ask("DELETE", f"/scheduler/calendars/{segment(name)}")
    except ApiRefused as refused:
        return await _show(request, None, refused)
    return go_to(_AT, "calendar_deleted")


async def _show(
    request: Request[Any, Any, Any], values: dict[str, str] | None = None, refused: ApiRefused | None = None
) -> Response[Any]:
    calendars = await Api(request, reader_of(request).language).get(
        "/scheduler/calendars", page=request.query_params.get("page"), page_size=50
    )
    return render(
        request,
        "administration/calendars.html",
        status=refused.status if refused else 200,
        calendars=calendars,
        values=values or {},
        wrong=refused,
    )


def _dates(text: str) -> list[str]:
    return [part for part in text.replace("，", " ").replace(",", " ").split() if part]
