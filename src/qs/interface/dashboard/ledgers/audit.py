"""Who did what, newest first, each record with its place in the chain."""

from typing import Any

from litestar import Request, Response, get

from qs.interface.dashboard.asking import Api
from qs.interface.dashboard.pages import render
from qs.interface.dashboard.reader import reader_of

_ROWS = 50


@get("/audit", opt={"scope": "audit:read", "loose_query": True})
async def audit_page(request: Request[Any, Any, Any]) -> Response[Any]:
    query = request.query_params
    records = await Api(request, reader_of(request).language).get(
        "/audit",
        action=query.get("action"),
        actor=query.get("actor"),
        subject=query.get("subject"),
        cursor=query.get("cursor"),
        page_size=_ROWS,
    )
    return render(request, "ledgers/audit.html", records=records)
