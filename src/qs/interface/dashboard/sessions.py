"""Before every page: whose session the cookie is, and that what changes something was sent by a page of ours."""

from typing import Any
from urllib.parse import urlsplit

from litestar.datastructures import Cookie
from litestar.exceptions import NotFoundException
from litestar.types import ASGIApp, Receive, Scope, Send

from qs.application.identity.browser_sessions import BrowserSession, BrowserSessions
from qs.domain.kernel.errors import Forbidden, Unauthenticated
from qs.interface.dashboard.cookies import cookie_of, session_cookie, session_cookie_name
from qs.interface.rest.guards import is_public

SESSION = "browser_session"
"""Where the scope of a request holds its session."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class SignInNeeded(Unauthenticated):
    code = "dashboard.sign_in_needed"
    sentence = "nobody is signed in here, or not any more; sign in and go on"


class ForeignForm(Forbidden):
    code = "dashboard.foreign_form"
    sentence = (
        "this was not sent by a page of ours, so nothing was done; open the page again and send it from there"
    )


class SessionCookie:
    """Stands before AuthenticationMiddleware and hands it the access token of the cookie's session.

    Any other credential is left out: what a browser sends by itself must be this cookie, which SameSite and the checks
    of origin guard. ``live`` requests (``opt={"live": True}``) do not keep a session from being idle.

    Raises:
        ForeignForm: what changes something comes from another site.
        SignInNeeded: the page is for those who are known.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request: Any = scope
        container = request["litestar_app"].state.container
        if not container.settings().feature.dashboard:
            raise NotFoundException
        handler = request["route_handler"]
        if request["method"] not in _SAFE and not is_from_here(request):
            raise ForeignForm
        sessions: BrowserSessions = container.browser_sessions()
        sealed = cookie_of(request, session_cookie_name(request["scheme"]))
        resumed = await sessions.resume(sealed, is_used=not handler.opt.get("live")) if sealed else None
        if resumed is None and not is_public(handler):
            raise SignInNeeded
        request["headers"] = [each for each in request["headers"] if each[0] != b"authorization"]
        request[SESSION] = None
        if resumed is not None:
            session, resealed = resumed
            request[SESSION] = session
            request["headers"].append((b"authorization", f"Bearer {session.access_token}".encode()))
            if resealed != sealed:
                send = _setting(send, session_cookie(request["scheme"], resealed))
        await self.app(scope, receive, send)


def session_of(request: Any) -> BrowserSession | None:
    """The session of a request that came through SessionCookie."""
    found: BrowserSession | None = request.scope[SESSION]
    return found


def is_from_here(scope: Any) -> bool:
    """Whether a page of this site sent it, by what browsers say themselves (Fetch Metadata), else by its Origin."""
    headers: dict[bytes, str] = {name: value.decode("latin-1") for name, value in scope["headers"]}
    if (site := headers.get(b"sec-fetch-site")) is not None:
        return site == "same-origin"
    origin = headers.get(b"origin", "")
    return bool(origin) and urlsplit(origin).netloc == headers.get(b"host", "")


def _setting(send: Send, cookie: Cookie) -> Send:
    header = (b"set-cookie", cookie.to_header(header="").encode())

    async def setting(message: Any) -> None:
        if message["type"] == "http.response.start" and not _sets_cookie(message):
            message["headers"] = [*message["headers"], header]
        await send(message)

    return setting


def _sets_cookie(message: Any) -> bool:
    # Whoever signs out or in decides what the cookie is from now on.
    return any(
        name == b"set-cookie" and value.startswith((b"qs=", b"__Host-qs="))
        for name, value in message["headers"]
    )
