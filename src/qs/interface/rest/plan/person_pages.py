"""The pages that people see who follow a link: neutral ones in Chinese or English, without script, style or picture."""

from collections.abc import Mapping
from html import escape
from typing import Any

from litestar import MediaType, Request, Response

from qs.interface.rest.languages import Language, preferred
from qs.settings import Settings

Words = Mapping[Language, str]

_PAGE = """\
<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{words}</p>
{forms}</main>
</body>
</html>
"""
_FORM = '<form method="post" action="{action}"><button>{words}</button></form>\n'


def language_of(request: Request[Any, Any, Any], settings: Settings) -> Language:
    """The reader's language, else the installation's."""
    return preferred(
        request.headers.get("accept-language", ""), "zh" if settings.lang.startswith("zh") else "en"
    )


def page(
    language: Language,
    title: str,
    words: str,
    status: int,
    *,
    buttons: Mapping[str, str] = {},
) -> Response[str]:
    """A page; ``buttons`` are words by the address that they post to, on this site."""
    forms = "".join(
        _FORM.format(action=escape(action), words=escape(said)) for action, said in buttons.items()
    )
    html = _PAGE.format(
        language="zh-CN" if language == "zh" else "en",
        title=escape(title),
        words=escape(words),
        forms=forms,
    )
    return Response(
        html,
        status_code=status,
        media_type=MediaType.HTML,
        headers={**_headers("'self'" if buttons else "'none'"), "Content-Language": language},
    )


def told_of_trouble(
    request: Request[Any, Any, Any],
    error: Exception,
    title: Words,
    by_status: Mapping[int, Words],
    any_: Words,
) -> Response[Any]:
    """What is told to machines as a problem, told to the person who opened the link, with the same status."""
    problem: Response[Any] = request.app.exception_handlers[Exception](request, error)
    status = problem.status_code or 500
    language = language_of(request, request.app.state.container.settings())
    told = page(language, title[language], by_status.get(status, any_)[language], status)
    if retry_after := problem.headers.get("Retry-After"):
        told.headers["Retry-After"] = retry_after
    return told


def _headers(form_action: str) -> dict[str, str]:
    return {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex",
        "Content-Security-Policy": (
            f"default-src 'none'; base-uri 'none'; form-action {form_action}; frame-ancestors 'none'"
        ),
        "Vary": "Accept-Language",
    }
