"""Bringing figures up to date, holding them against the tasks, and writing anew what is wrong."""

from typing import Any

from litestar import Request, Response, post

from qs.interface.dashboard.asking import Api, ApiRefused
from qs.interface.dashboard.forms import FORM, read_form
from qs.interface.dashboard.reader import reader_of
from qs.interface.dashboard.statistics.figures import show_statistics

_SYNC = {"scope": "statistics:sync", "loose_query": True, "consumes": (FORM,)}
KINDS = ("daily", "accumulated", "plan")


@post("/statistics/sync", status_code=200, opt=_SYNC)
async def bring_up_to_date(request: Request[Any, Any, Any]) -> Response[Any]:
    """All three syncs, in their order."""
    await read_form(request)
    api = Api(request, reader_of(request).language)
    done = []
    try:
        for kind in KINDS:
            synced = await api.ask("POST", f"/statistics/sync/{kind}")
            done.append(synced.data)
    except ApiRefused as refused:
        return await show_statistics(request, refused=refused, synced=done)
    return await show_statistics(request, synced=done)


@post("/statistics/validate", status_code=200, opt=_SYNC)
async def check_figures(request: Request[Any, Any, Any]) -> Response[Any]:
    form = await read_form(request)
    api = Api(request, reader_of(request).language)
    try:
        found = await api.ask("POST", "/statistics/validate", query={"repair": form["repair"] == "yes"})
    except ApiRefused as refused:
        return await show_statistics(request, refused=refused)
    return await show_statistics(request, checked=found.data)
