"""An address under ``/dashboard`` where no page is, or none that takes what was sent: told to people as a page."""

from contextlib import suppress
from typing import Any

from litestar import Request, Response, get

from qs.application.identity.authenticating import Authentication
from qs.domain.identity.errors import TokenInvalid
from qs.interface.dashboard.pages import HOME, render
from qs.interface.dashboard.sessions import session_of
from qs.interface.rest.dependencies import Given, given


@get(
    "/lost",
    opt={"public": True, "loose_query": True, "lost": HOME},
    dependencies={"authentication": given("authentication")},
)
async def lost(request: Request[Any, Any, Any], authentication: Given[Authentication]) -> Response[Any]:
    """404, or 405 with ``Allow``; whoever is signed in keeps their sections around it."""
    session = session_of(request)
    if session is not None:
        with suppress(TokenInvalid):
            request.scope["user"] = await authentication.authenticate(session.access_token)
    # Nothing of it where somebody asks for this page by its own address.
    found: dict[str, Any] = request.scope["path_params"]
    headers = {"Allow": found["allow"]} if found.get("allow") else None
    return render(request, "lost.html", status=found.get("status", 404), headers=headers)
