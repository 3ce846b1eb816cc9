"""The catalogue of scales that plans may name."""

from typing import Any

from litestar import Request, Response, get, post

from qs.interface.dashboard.asking import Api, ApiRefused
from qs.interface.dashboard.forms import FORM, Form, read_form
from qs.interface.dashboard.pages import go_to, render
from qs.interface.dashboard.reader import reader_of


@get("/administration/scales", opt={"scope": "scales:read", "loose_query": True})
async def scales_page(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _show(request)


@post(
    "/administration/scales",
    status_code=200,
    opt={"scope": "scales:write", "loose_query": True, "consumes": (FORM,)},
)
async def add_scale(request: Request[Any, Any, Any]) -> Response[Any]:
    form = await read_form(request)
    body = {
        "code": form["code"],
        "title": {"zh": form["title_zh"], "en": form["title_en"]},
        "version": form["version"],
        "published": form["published"] == "yes",
    }
    try:
        await Api(request, reader_of(request).language).ask(
            "POST", "/scales", body=body, headers={"idempotency-key": form["once"]}
        )
    except ApiRefused as refused:
        return await _show(request, form, refused)
    return go_to("/dashboard/administration/scales", "scale_added")


async def _show(
    request: Request[Any, Any, Any], form: Form | None = None, refused: ApiRefused | None = None
) -> Response[Any]:
    scales = await Api(request, reader_of(request).language).get(
        "/scales", page=request.query_params.get("page"), page_size=50
    )
    return render(
        request,
        "administration/scales.html",
        status=refused.status if refused else 200,
        scales=scales,
        form=form or Form({}),
        wrong=refused,
    )
