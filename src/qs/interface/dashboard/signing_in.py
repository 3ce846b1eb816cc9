"""Coming in, going out, and how somebody likes to read."""

from typing import Any
from urllib.parse import urlsplit

from litestar import Request, Response, get, post

from qs.application.identity.browser_sessions import BrowserSession, BrowserSessions
from qs.application.kernel.limiting import LOGIN
from qs.domain.identity.credentials import LONGEST_PASSWORD, LONGEST_USERNAME
from qs.domain.identity.errors import BadCredentials, TokenInvalid, TooManyAttempts
from qs.domain.identity.scopes import SCOPES
from qs.interface.dashboard.cookies import liking_cookie, session_cookie
from qs.interface.dashboard.forms import FORM, Form, read_form, read_public_form
from qs.interface.dashboard.pages import HOME, go_to, render
from qs.interface.dashboard.reader import THEMES, zone_named
from qs.interface.dashboard.sessions import session_of
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.languages import LANGUAGES
from qs.settings import Settings

SIGNED_IN = {"scope": tuple(SCOPES)}
"""For what anybody who is signed in may open."""

_LONGEST_SEALED_TOKEN = 2400
_PUBLIC = {"public": True, "limit": LOGIN, "loose_query": True, "consumes": (FORM,)}


@get("/sign-in", opt=_PUBLIC, dependencies={"settings": given("settings")})
async def sign_in_page(request: Request[Any, Any, Any], settings: Given[Settings]) -> Response[Any]:
    """A form for user name and password, or for a token where people are known by an identity provider."""
    return _form(request, settings)


@post(
    "/sign-in",
    status_code=200,
    opt=_PUBLIC,
    request_max_body_size=16_384,
    dependencies={"settings": given("settings"), "sessions": given("browser_sessions")},
)
async def sign_in(
    request: Request[Any, Any, Any], settings: Given[Settings], sessions: Given[BrowserSessions]
) -> Response[Any]:
    form = await read_public_form(request)
    if len(form["token"]) > _LONGEST_SEALED_TOKEN:
        return _form(request, settings, status=422, wrong="signin.token_too_long")
    try:
        session = await _begun(request, settings, sessions, form)
    except BadCredentials:
        return _form(request, settings, status=401, wrong="signin.wrong", username=form["username"])
    except TokenInvalid:
        return _form(request, settings, status=401, wrong="signin.token_wrong")
    except TooManyAttempts as error:
        answer = _form(request, settings, status=429, wrong="signin.too_many", username=form["username"])
        answer.headers["Retry-After"] = str(error.retry_after)
        return answer
    answer = go_to(_inside(request.query_params.get("next", "")))
    answer.set_cookie(session_cookie(request.scope["scheme"], sessions.sealed(session)))
    return answer


@post(
    "/sign-out",
    status_code=200,
    opt={**SIGNED_IN, "consumes": (FORM,)},
    dependencies={"sessions": given("browser_sessions")},
)
async def sign_out(request: Request[Any, Any, Any], sessions: Given[BrowserSessions]) -> Response[Any]:
    await read_form(request)
    session = session_of(request)
    if session is not None:
        await sessions.end(session)
    answer = go_to("/dashboard/sign-in", "signed_out")
    answer.set_cookie(session_cookie(request.scope["scheme"], ""))
    return answer


@post("/likings", status_code=200, opt={"public": True, "consumes": (FORM,), "loose_query": True})
async def set_likings(request: Request[Any, Any, Any]) -> Response[Any]:
    """Language, theme and time zone, remembered in this browser; nothing else changes, so anybody may."""
    form = await read_public_form(request)
    scheme = request.scope["scheme"]
    answer = go_to(_inside(form["back"]))
    if form["language"] in LANGUAGES:
        answer.set_cookie(liking_cookie(scheme, "language", form["language"]))
    if form["theme"] in THEMES:
        answer.set_cookie(liking_cookie(scheme, "theme", form["theme"]))
    if zone_named(form["zone"]):
        answer.set_cookie(liking_cookie(scheme, "zone", form["zone"].replace("/", "~")))
    return answer


async def _begun(
    request: Request[Any, Any, Any], settings: Settings, sessions: BrowserSessions, form: Form
) -> BrowserSession:
    if settings.auth.mode != "builtin":
        return await sessions.begin_with(form["token"])
    username, password = form["username"], form.raw("password")
    if not 0 < len(username) <= LONGEST_USERNAME or not 0 < len(password) <= LONGEST_PASSWORD:
        raise BadCredentials
    return await sessions.begin(username, password, request.client.host if request.client else "")


def _form(
    request: Request[Any, Any, Any],
    settings: Settings,
    *,
    status: int = 200,
    wrong: str | None = None,
    username: str = "",
) -> Response[Any]:
    return render(
        request,
        "sign_in.html",
        status=status,
        wrong=wrong,
        username=username,
        by_password=settings.auth.mode == "builtin",
        next=_inside(request.query_params.get("next", "")),
    )


def _inside(wanted: str) -> str:
    """``wanted`` if it is a page of ours, else the first page: nobody is led elsewhere by a link that we honour."""
    parts = urlsplit(wanted)
    is_ours = not parts.scheme and not parts.netloc and parts.path.startswith(f"{HOME}/")
    is_plain = wanted.isprintable() and "\\" not in wanted and not parts.path.startswith(f"{HOME}/sign-")
    return wanted if is_ours and is_plain else f"{HOME}/today"
