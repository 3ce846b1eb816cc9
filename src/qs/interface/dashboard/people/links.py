"""The link of an opened task, for those who hand it over themselves: as text and as QR code, on a page of its own."""

from typing import Any

import segno
from litestar import Request, Response, get, post
from litestar.params import FromPath
from markupsafe import Markup

from qs.interface.dashboard.asking import Api, ApiRefused, segment
from qs.interface.dashboard.forms import FORM, read_form
from qs.interface.dashboard.pages import go_to, render
from qs.interface.dashboard.people.tasks import show_task
from qs.interface.dashboard.reader import reader_of

LINK = {"scope": "entry:read", "loose_query": True}


@get("/tasks/{task_id:str}/link", opt=LINK)
async def link_page(task_id: FromPath[str]) -> Response[Any]:
    """To be shown the link is recorded, so that it takes a click and no mere look."""
    return go_to(f"/dashboard/tasks/{segment(task_id)}")


@post("/tasks/{task_id:str}/link", status_code=200, opt={**LINK, "consumes": (FORM,)})
async def show_link(task_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    await read_form(request)
    api = Api(request, reader_of(request).language)
    try:
        entry = await api.get(f"/plans/tasks/{segment(task_id)}/entry")
    except ApiRefused as refused:
        return await show_task(request, task_id, refused)
    return render(request, "people/link.html", task_id=task_id, entry=entry, code=_code(entry["url"]))


def _code(url: str) -> Markup:
    """The link as QR code (ISO/IEC 18004) in SVG, black on white whatever the theme is."""
    svg = segno.make(url, error="m").svg_inline(scale=5, light="#fff", dark="#000", omitsize=True)
    # Made here of modules alone: the link is not in it as text.
    return Markup(svg)  # noqa: S704  # nosec B704
