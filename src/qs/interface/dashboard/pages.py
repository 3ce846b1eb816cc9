"""A page out of a template: who reads it, the words of their language, and what may change while they look.

A template wraps what may change in ``{% call live("name") %}…{% endcall %}``. Asked with ``X-Live``, the page answers
those parts alone, by name, which is what live.py sends on.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from litestar import MediaType, Request, Response
from markupsafe import Markup

from qs.interface.dashboard import formats
from qs.interface.dashboard.asking import ApiRefused
from qs.interface.dashboard.assets import asset_url
from qs.interface.dashboard.navigation import sections_for
from qs.interface.dashboard.reader import Reader, reader_of
from qs.interface.dashboard.sessions import session_of
from qs.interface.dashboard.words import has, say

if TYPE_CHECKING:
    from jinja2 import Environment

HOME = "/dashboard"
LIVE = "x-live"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    # Of the site itself, so that what a form came from is known there and nowhere else.
    "Referrer-Policy": "same-origin",
    "Vary": "Cookie, Accept-Language",
}


def render(
    request: Request[Any, Any, Any],
    template: str,
    /,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> Response[Any]:
    """The page, or of it what may change where live.py asks."""
    reader = reader_of(request)
    parts: dict[str, str] = {}
    text = _environment().get_template(template).render(**_given(request, reader, parts), **context)
    if LIVE in request.headers:
        return Response(msgspec.json.encode(parts), status_code=status, media_type="application/json")
    return Response(
        text,
        status_code=status,
        media_type=MediaType.HTML,
        headers={**HEADERS, "Content-Language": reader.language, **(headers or {})},
    )


def go_to(path: str, said: str | None = None, **values: int) -> Response[None]:
    """Leads the browser on after something was done (303), so that reloading does it no second time.

    ``said`` is what the next page tells at its head: a phrase of ``words/said.toml``, with numbers in it.
    """
    if said is not None:
        path += ("&" if "?" in path else "?") + urlencode({"said": said, **values})
    return Response(None, status_code=303, headers={"Location": path, "Cache-Control": "no-store"})


def text_of(reader: Reader, key: str, /, **values: object) -> str:
    """The words for a handler that needs them outside of a template."""
    return say(reader.language, key, **values)


def _given(request: Request[Any, Any, Any], reader: Reader, parts: dict[str, str]) -> dict[str, Any]:
    session = session_of(request)
    query = request.query_params
    return {
        "reader": reader,
        "lang": "zh-CN" if reader.language == "zh" else "en",
        "t": partial(say, reader.language),
        "state": partial(_state, reader),
        "sections": sections_for(reader),
        "path": request.scope["path"],
        "query": query,
        "said": _said(reader, query),
        "form_key": session.form_key if session else "",
        # The same form sent twice, by a second click or a reload, does what it does once.
        "once": secrets.token_urlsafe(16),
        "instant": partial(formats.instant, reader),
        "instant_text": partial(formats.instant_text, reader),
        "clock": partial(formats.clock, reader),
        "in_zone": partial(formats.in_zone, reader),
        "now": datetime.now(UTC),
        "live": partial(_live, parts),
        "with_query": partial(_with_query, request),
        "asset": asset_url,
    }


def _live(parts: dict[str, str], name: str, caller: Any) -> Markup:
    inner: Markup = caller()
    parts[name] = str(inner)
    return Markup('<div id="live-{}" data-live>{}</div>').format(name, inner)


def _state(reader: Reader, state: str | None, of: str = "state") -> Markup:
    """A state as a word with its colour, which is never the only sign of it."""
    if not state:
        return Markup("–")
    key = f"{of}.{state}"
    words = say(reader.language, key) if has(key) else state
    return Markup('<span class="state state-{}">{}</span>').format(state.replace("_", "-"), words)


def _said(reader: Reader, query: Any) -> str | None:
    key = f"said.{query.get('said', '')}"
    if not has(key):
        return None
    numbers = {name: int(value) for name, value in query.items() if value.isdecimal() and len(value) < 10}
    try:
        return say(reader.language, key, **numbers)
    except (KeyError, IndexError):
        return None


def _with_query(request: Request[Any, Any, Any], **changes: Any) -> str:
    """This page's address with some parameters changed, and without those that are None."""
    kept = {name: value for name, value in request.query_params.items() if name not in ("said", *changes)}
    query = {**kept, **{name: value for name, value in changes.items() if value is not None}}
    return f"{request.scope['path']}?{urlencode(query)}" if query else str(request.scope["path"])


@cache
def _environment() -> "Environment":
    # Loaded with the first page, since most processes show none.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("qs.interface.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        day=formats.day,
        duration=formats.duration,
        mask=formats.mask,
        number=formats.number,
        percent=formats.percent,
        pretty=formats.pretty,
        rate=formats.rate,
        short=formats.short,
    )
    environment.globals["parsed"] = formats.parsed
    environment.tests["refused"] = lambda answer: isinstance(answer, ApiRefused)
    return environment
