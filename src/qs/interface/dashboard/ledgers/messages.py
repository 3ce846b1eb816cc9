"""The ledger of messages: what was sent to whom how, and sending anew what was given up."""

from datetime import UTC, datetime, timedelta
from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath

from qs.domain.notification.delivery import DeliveryStatus
from qs.interface.dashboard.asking import Api, ApiRefused, segment
from qs.interface.dashboard.forms import FORM, read_form
from qs.interface.dashboard.pages import go_to, render
from qs.interface.dashboard.reader import reader_of

READ = {"scope": "notifications:read", "loose_query": True}
WRITE = {"scope": "notifications:write", "loose_query": True, "consumes": (FORM,)}
_ROWS = 50
_AT = "/dashboard/notifications"


@get("/notifications", opt=READ)
async def messages_page(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _list(request)


@post("/notifications/replay", status_code=200, opt=WRITE)
async def replay_range(request: Request[Any, Any, Any]) -> Response[Any]:
    """Sends anew what was given up within the last days, of one channel or of all."""
    form = await read_form(request)
    days = int(form["days"]) if form["days"].isdecimal() and len(form["days"]) < 4 else 1
    now = datetime.now(UTC)
    span = {"since": (now - timedelta(days=days)).isoformat(), "until": now.isoformat()}
    try:
        done = await Api(request, reader_of(request).language).ask(
            "POST", "/notifications/replay", body={**span, **form.given("channel")}
        )
    except ApiRefused as refused:
        return await _list(request, refused)
    return go_to(_AT, "messages_replayed", n=done.data["replayed"])


@get("/notifications/{message_id:str}", opt=READ)
async def message_page(message_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    return await _show(request, message_id)


@post("/notifications/{message_id:str}/replay", status_code=200, opt=WRITE)
async def replay_message(message_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    await read_form(request)
    at = f"/notifications/{segment(message_id)}"
    try:
        await Api(request, reader_of(request).language).ask("POST", f"{at}/replay")
    except ApiRefused as refused:
        return await _show(request, message_id, refused)
    return go_to(f"/dashboard{at}", "messages_replayed", n=1)


async def _list(request: Request[Any, Any, Any], refused: ApiRefused | None = None) -> Response[Any]:
    query = request.query_params
    api = Api(request, reader_of(request).language)
    messages = await api.get(
        "/notifications",
        status=query.get("status"),
        channel=query.get("channel"),
        task_id=query.get("task_id"),
        cursor=query.get("cursor"),
        page_size=_ROWS,
    )
    (alerts,) = await api.together(api.get("/alerts", status="open", page_size=_ROWS))
    return render(
        request,
        "ledgers/messages.html",
        status=refused.status if refused else 200,
        messages=messages,
        alerts=alerts,
        chosen=query.get("status"),
        statuses=list(DeliveryStatus),
        wrong=refused,
    )


async def _show(
    request: Request[Any, Any, Any], message_id: str, refused: ApiRefused | None = None
) -> Response[Any]:
    message = await Api(request, reader_of(request).language).get(f"/notifications/{segment(message_id)}")
    return render(
        request,
        "ledgers/message.html",
        status=refused.status if refused else 200,
        message=message,
        wrong=refused,
    )
