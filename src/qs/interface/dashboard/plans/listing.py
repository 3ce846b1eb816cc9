"""The list of plans."""

from typing import Any

from litestar import Request, Response, get

from qs.domain.plan.plan import PlanStatus
from qs.interface.dashboard.asking import Api
from qs.interface.dashboard.pages import render
from qs.interface.dashboard.reader import reader_of

READ = {"scope": "plans:read", "loose_query": True}
WRITE = {"scope": "plans:write", "loose_query": True}


@get("/plans", opt=READ)
async def plans_page(request: Request[Any, Any, Any]) -> Response[Any]:
    query = request.query_params
    status = query.get("status") or None
    found = await Api(request, reader_of(request).language).get(
        "/plans", page=query.get("page"), status=status, scale_code=query.get("scale_code")
    )
    return render(request, "plans/list.html", plans=found, chosen=status, statuses=list(PlanStatus))
