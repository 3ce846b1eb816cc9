"""Webhook endpoints: made, changed, tried, given another secret, sent to again."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath

from qs.domain.kernel.errors import Absent
from qs.interface.dashboard.administration.machines import show_secret
from qs.interface.dashboard.asking import Api, ApiRefused, segment
from qs.interface.dashboard.forms import FORM, Form, read_form
from qs.interface.dashboard.pages import go_to, render
from qs.interface.dashboard.reader import reader_of

READ = {"scope": "webhooks:read", "loose_query": True}
WRITE = {"scope": "webhooks:write", "loose_query": True}
_POSTED = {**WRITE, "consumes": (FORM,)}
_AT = "/dashboard/webhooks"
_ROWS = 50


@get("/webhooks", opt=READ)
async def webhooks_page(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _list(request)


@post("/webhooks", status_code=200, opt=_POSTED)
async def create_webhook(request: Request[Any, Any, Any]) -> Response[Any]:
    form = await read_form(request)
    body = {**form.given("name", "url"), **({"events": events} if (events := _filters(form)) else {})}
    try:
        made = await Api(request, reader_of(request).language).ask("POST", "/webhooks", body=body)
    except ApiRefused as refused:
        return await _list(request, form, refused)
    return show_secret(request, f"{_AT}/{made.data['id']}", {"url": made.data["url"]}, made.data["secret"])


@get("/webhooks/{webhook_id:str}", opt=READ)
async def webhook_page(webhook_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    return await _show(request, webhook_id)


@get("/webhooks/{webhook_id:str}/remove", opt=WRITE)
async def delete_webhook_page(webhook_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    """What deleting would do, before it is done."""
    shown = await Api(request, reader_of(request).language).ask("GET", f"/webhooks/{segment(webhook_id)}")
    return render(request, "webhooks/delete.html", webhook=shown.data, etag=shown.etag)


@post("/webhooks/{webhook_id:str}/{deed:str}", status_code=200, opt=_POSTED)
async def do_with_webhook(
    webhook_id: FromPath[str], deed: FromPath[str], request: Request[Any, Any, Any]
) -> Response[Any]:
    form = await read_form(request)
    api = Api(request, reader_of(request).language)
    try:
        return await _do(request, api, f"/webhooks/{segment(webhook_id)}", deed, form)
    except ApiRefused as refused:
        return await _show(request, webhook_id, refused=refused)


async def _do(request: Request[Any, Any, Any], api: Api, at: str, deed: str, form: Form) -> Response[Any]:
    page = f"/dashboard{at}"
    headers = {"if-match": form["etag"]} if form["etag"] else {}
    if deed == "save":
        body = {**form.given("name", "url"), "events": _filters(form) or ["*"]}
        await api.ask("PATCH", at, body=body, headers=headers)
        return go_to(page, "webhook_saved")
    if deed in ("enable", "disable"):
        await api.ask("PATCH", at, body={"enabled": deed == "enable"}, headers=headers)
        return go_to(page, f"webhook_{deed}")
    if deed == "test":
        tried = await api.ask("POST", f"{at}/test")
        return await _show(request, at.rpartition("/")[2], tried=tried.data)
    if deed == "secret":
        made = await api.ask("POST", f"{at}/rotate-secret", body={"overlap_hours": 24})
        return show_secret(request, page, {"url": made.data["url"]}, made.data["secret"])
    if deed == "replay":
        sent = await api.ask("POST", f"{at}/replay", body={"status": "dead"})
        return go_to(page, "deliveries_replayed", n=sent.data["replayed"])
    if deed == "delete":
        await api.ask("DELETE", at, headers=headers)
        return go_to(_AT, "webhook_deleted")
    raise Absent("there is no such thing to do with an endpoint; choose one of those on its page")


def _filters(form: Form) -> list[str]:
    return form["events"].replace(",", " ").replace("，", " ").split()


async def _list(
    request: Request[Any, Any, Any], form: Form | None = None, refused: ApiRefused | None = None
) -> Response[Any]:
    webhooks = await Api(request, reader_of(request).language).get(
        "/webhooks", page=request.query_params.get("page")
    )
    return render(
        request,
        "webhooks/list.html",
        status=refused.status if refused else 200,
        webhooks=webhooks,
        form=form or Form({}),
        wrong=refused,
    )


async def _show(
    request: Request[Any, Any, Any],
    webhook_id: str,
    *,
    tried: Any = None,
    refused: ApiRefused | None = None,
) -> Response[Any]:
    query = request.query_params
    api = Api(request, reader_of(request).language)
    at = f"/webhooks/{segment(webhook_id)}"
    shown = await api.ask("GET", at)
    deliveries = await api.get(
        f"{at}/deliveries", status=query.get("status"), cursor=query.get("cursor"), page_size=_ROWS
    )
    return render(
        request,
        "webhooks/webhook.html",
        status=refused.status if refused else 200,
        webhook=shown.data,
        etag=shown.etag,
        deliveries=deliveries,
        tried=tried,
        wrong=refused,
    )
