"""The feed of events as other systems read it, and publishing again what somebody lost."""

from typing import Any

from litestar import Request, Response, get, post

from qs.interface.dashboard.asking import Api, ApiRefused
from qs.interface.dashboard.forms import FORM, read_form
from qs.interface.dashboard.pages import go_to, render
from qs.interface.dashboard.reader import reader_of

_ROWS = 100


@get("/events", opt={"scope": "events:read", "loose_query": True})
async def events_page(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _show(request)


@post(
    "/events/replay",
    status_code=200,
    opt={"scope": "events:write", "loose_query": True, "consumes": (FORM,)},
)
async def replay_events(request: Request[Any, Any, Any]) -> Response[Any]:
    """Revives what a subscriber inside qs gave up."""
    form = await read_form(request)
    body: dict[str, Any] = {"dead": True, "subscriber": form["subscriber"]}
    try:
        done = await Api(request, reader_of(request).language).ask("POST", "/events/replay", body=body)
    except ApiRefused as refused:
        return await _show(request, refused)
    return go_to("/dashboard/events", "events_revived", n=done.data["revived"])


async def _show(request: Request[Any, Any, Any], refused: ApiRefused | None = None) -> Response[Any]:
    query = request.query_params
    api = Api(request, reader_of(request).language)
    after = query.get("after", "")
    feed, overview, alerts = await api.together(
        api.get(
            "/events",
            after=after if after.isdecimal() else None,
            context=query.get("context"),
            page_size=_ROWS,
        ),
        api.get("/overview"),
        api.get("/alerts", kind="events_dead", status="open"),
    )
    if isinstance(feed, ApiRefused):
        raise feed
    return render(
        request,
        "ledgers/events.html",
        status=refused.status if refused else 200,
        feed=feed,
        overview=overview,
        alerts=alerts,
        wrong=refused,
    )
