"""Texts of messages: what is sent, written anew by the organisation, previewed before it is saved."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath

from qs.interface.dashboard.asking import Api, ApiRefused, segment
from qs.interface.dashboard.forms import FORM, Form, read_form
from qs.interface.dashboard.pages import go_to, render
from qs.interface.dashboard.reader import reader_of

READ = {"scope": "templates:read", "loose_query": True}
WRITE = {"scope": "templates:write", "loose_query": True, "consumes": (FORM,)}
_AT = "/dashboard/administration/texts"


@get("/administration/texts", opt=READ)
async def texts_page(request: Request[Any, Any, Any]) -> Response[Any]:
    texts = await Api(request, reader_of(request).language).get(
        "/templates", page=request.query_params.get("page"), page_size=50
    )
    return render(request, "administration/texts.html", texts=texts)


@get("/administration/texts/{key:str}/{locale:str}", opt=READ)
async def text_page(
    key: FromPath[str], locale: FromPath[str], request: Request[Any, Any, Any]
) -> Response[Any]:
    return await _show(request, key, locale)


@post("/administration/texts/{key:str}/{locale:str}", status_code=200, opt=WRITE)
async def save_text(
    key: FromPath[str], locale: FromPath[str], request: Request[Any, Any, Any]
) -> Response[Any]:
    form = await read_form(request)
    try:
        await Api(request, reader_of(request).language).ask("PUT", _path(key, locale), body=_body(form))
    except ApiRefused as refused:
        return await _show(request, key, locale, form, refused)
    return go_to(f"{_AT}/{segment(key)}/{segment(locale)}", "text_saved")


@post(
    "/administration/texts/{key:str}/{locale:str}/preview",
    status_code=200,
    opt={**READ, "consumes": (FORM,)},
)
async def preview_text(
    key: FromPath[str], locale: FromPath[str], request: Request[Any, Any, Any]
) -> Response[Any]:
    """What the text that was typed would say; nothing is saved."""
    form = await read_form(request)
    try:
        said = await Api(request, reader_of(request).language).ask(
            "POST", f"{_path(key, locale)}/preview", body=_body(form)
        )
    except ApiRefused as refused:
        return await _show(request, key, locale, form, refused)
    return await _show(request, key, locale, form, said=said.data)


@post("/administration/texts/{key:str}/{locale:str}/reset", status_code=200, opt=WRITE)
async def reset_text(
    key: FromPath[str], locale: FromPath[str], request: Request[Any, Any, Any]
) -> Response[Any]:
    """Goes back to the built-in text."""
    await read_form(request)
    try:
        await Api(request, reader_of(request).language).ask("DELETE", _path(key, locale))
    except ApiRefused as refused:
        return await _show(request, key, locale, None, refused)
    return go_to(f"{_AT}/{segment(key)}/{segment(locale)}", "text_reset")


async def _show(
    request: Request[Any, Any, Any],
    key: str,
    locale: str,
    form: Form | None = None,
    refused: ApiRefused | None = None,
    said: Any = None,
) -> Response[Any]:
    text = await Api(request, reader_of(request).language).get(_path(key, locale))
    return render(
        request,
        "administration/text.html",
        status=refused.status if refused else 200,
        text=text,
        subject=form["subject"] if form else text["subject"],
        body=form.raw("body") if form else text["body"],
        preview=said,
        wrong=refused,
    )


def _path(key: str, locale: str) -> str:
    return f"/templates/{segment(key)}/{segment(locale)}"


def _body(form: Form) -> dict[str, str]:
    # Browsers end the lines of a text area as mail does; the text is kept as it was typed.
    body = form.raw("body").replace("\r\n", "\n")
    return {"body": body, **form.given("subject")}
