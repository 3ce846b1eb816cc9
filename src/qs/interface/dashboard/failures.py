"""What went wrong, told on a page: by the API's own titles and details, with the status that machines get."""

from typing import Any
from urllib.parse import quote

from litestar import Request, Response

from qs.domain.identity.errors import TokenInvalid
from qs.interface.dashboard.asking import ApiRefused
from qs.interface.dashboard.cookies import session_cookie
from qs.interface.dashboard.pages import LIVE, go_to, render
from qs.interface.dashboard.reader import reader_of
from qs.interface.dashboard.sessions import SESSION, SignInNeeded
from qs.interface.rest.titles import title


def tell(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The exception handler of every page."""
    if isinstance(error, SignInNeeded | TokenInvalid) or (
        isinstance(error, ApiRefused) and error.status == 401
    ):
        return _to_sign_in(request)
    refused = error if isinstance(error, ApiRefused) else _refused(request, error)
    scope: Any = request.scope
    scope.setdefault(SESSION, None)
    retry_after = refused.headers.get("retry-after")
    return render(
        request,
        "failure.html",
        status=refused.status,
        headers={"Retry-After": retry_after} if retry_after else None,
        refused=refused,
    )


def _refused(request: Request[Any, Any, Any], error: Exception) -> ApiRefused:
    answer: Response[Any] = request.app.exception_handlers[Exception](request, error)
    details = answer.content
    language = reader_of(request).language
    problem = {
        # As the reader's cookie has it, of which machines know nothing.
        "title": title(details.error, details.status, language),
        "detail": details.detail,
        "instance": details.instance,
        "error": details.error,
    }
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return ApiRefused(answer.status_code or 500, problem, headers)


def _to_sign_in(request: Request[Any, Any, Any]) -> Response[Any]:
    if LIVE in request.headers:
        return Response(None, status_code=401, headers={"Cache-Control": "no-store"})
    path = request.scope["path"]
    query = request.scope["query_string"].decode("latin-1")
    # What was to be sent is not sent again by itself: the page that had the form is opened.
    wanted = f"{path}?{query}" if query and request.method == "GET" else path
    answer = go_to(f"/dashboard/sign-in?next={quote(wanted, safe='')}")
    answer.set_cookie(session_cookie(request.scope["scheme"], ""))
    return answer
