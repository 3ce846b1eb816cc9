"""The one place of HTTP statuses: every failure as ``application/problem+json`` (RFC 9457).

The domain raises by category (domain/kernel/errors.py) and never names a status; a new cause needs nothing here, a new
category one line. A cause may carry ``retry_after`` (seconds) and, for statuses of its own, ``headers``.
"""

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from msgspec import UNSET, Struct, UnsetType

from qs.application.kernel.preconditions import PreconditionFailed
from qs.application.kernel.request import request_id
from qs.domain.kernel.errors import (
    Absent,
    Forbidden,
    Gone,
    Invalid,
    Limited,
    Problem,
    QsError,
    Refused,
    Unauthenticated,
    Unavailable,
)
from qs.interface.rest.bodies import UnsupportedEncoding, UnsupportedMediaType
from qs.interface.rest.languages import Language, preferred
from qs.interface.rest.parsing import Malformed, pointer
from qs.interface.rest.titles import title
from qs.logs.crashes import describe_crash

MEDIA_TYPE = "application/problem+json"
PROBLEM = "qs.problem"
"""The key of a scope that holds the code of the problem that the request was answered with."""
RETRY_AFTER_S = 2

STATUSES: dict[type[QsError], int] = {
    Malformed: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    Absent: 404,
    Refused: 409,
    Gone: 410,
    PreconditionFailed: 412,
    UnsupportedMediaType: 415,
    UnsupportedEncoding: 415,
    Invalid: 422,
    Limited: 429,
    Unavailable: 503,
    QsError: 500,
}

Translate = Callable[[BaseException], QsError | None]
"""Says which of our errors a product's failure amounts to; None for one that is nobody's fault but ours."""

log = structlog.get_logger()


class ProblemDetails(Struct, omit_defaults=True, kw_only=True):
    """A failure as RFC 9457 has it; ``error``, ``code`` and ``message`` serve clients of the success envelope too."""

    type: str
    title: str
    status: int
    detail: str
    instance: str | None
    error: str
    code: int
    message: str
    errors: tuple[Problem, ...] | UnsetType = UNSET


def status_of(error: QsError) -> int:
    """The HTTP status of one of our errors: its class's, else its nearest ancestor's."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


class ProblemHandler:
    """litestar's exception handler for everything: our errors, litestar's own, a product's failures, and bugs."""

    def __init__(self, translate: Translate, default_language: Language = "en") -> None:
        self._translate = translate
        self._default_language = default_language

    def __call__(self, request: Request[Any, Any, Any], error: Exception) -> Response[ProblemDetails]:
        own = error if isinstance(error, QsError) else self._told_by(error)
        if own is not None:
            return self._respond(request, status_of(own), own.code, str(own), *_facts(own))
        if isinstance(error, ValidationException):
            return self._respond(request, 422, Invalid.code, Invalid.sentence, {}, _parameter_problems(error))
        if isinstance(error, HTTPException) and error.status_code in _BY_STATUS:
            code, detail = _BY_STATUS[error.status_code]
            return self._respond(request, error.status_code, code, detail, _headers(error))
        log.error("request_failed", **describe_crash(error))
        return self._respond(request, 500, *_BY_STATUS[500], {})

    def _told_by(self, error: Exception) -> QsError | None:
        own = self._translate(error)
        if own is not None:
            log.warning("dependency_failed", code=own.code, **describe_crash(error))
        return own

    def _respond(
        self,
        request: Request[Any, Any, Any],
        status: int,
        code: str,
        detail: str,
        headers: Mapping[str, str],
        errors: tuple[Problem, ...] = (),
    ) -> Response[ProblemDetails]:
        language = preferred(request.headers.get("accept-language", ""), self._default_language)
        request.scope[PROBLEM] = code  # type: ignore[literal-required]
        problem = ProblemDetails(
            type=code.replace(".", "-").replace("_", "-"),
            title=title(code, status, language),
            status=status,
            detail=detail,
            instance=request_id.get(),
            error=code,
            code=status,
            message=detail,
            errors=errors or UNSET,
        )
        return Response(
            problem,
            status_code=status,
            media_type=MEDIA_TYPE,
            headers={"Content-Language": language, "Vary": "Accept-Language", **headers},
        )


_BY_STATUS = {
    400: (Malformed.code, "the request could not be read as HTTP allows; correct it and send it again"),
    401: (Unauthenticated.code, Unauthenticated.sentence),
    403: (Forbidden.code, Forbidden.sentence),
    404: (Absent.code, Absent.sentence),
    405: ("method.not_allowed", "this resource does not take that method; use one of those in Allow"),
    413: ("body.too_large", "the body is larger than this route reads; send less at once"),
    415: (UnsupportedMediaType.code, "this route does not read a body of that type; send application/json"),
    429: ("too_many_requests", "requests come too fast; wait as long as Retry-After says"),
    500: ("internal", "something went wrong here, not in your request; report it with its request id"),
    503: (Unavailable.code, Unavailable.sentence),
}


def _facts(error: QsError) -> tuple[dict[str, str], tuple[Problem, ...]]:
    headers: dict[str, str] = dict(getattr(error, "headers", None) or {})
    retry_after = getattr(error, "retry_after", RETRY_AFTER_S if isinstance(error, Unavailable) else None)
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, round(retry_after)))
    if isinstance(error, Unauthenticated):
        headers.setdefault("WWW-Authenticate", "Bearer")
    return headers, getattr(error, "problems", ())


def _headers(error: HTTPException) -> dict[str, str]:
    headers = {name.title(): value for name, value in (error.headers or {}).items()}
    if error.status_code in (429, 503):
        headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    if error.status_code == 401:
        headers.setdefault("Www-Authenticate", "Bearer")
    return headers


def _parameter_problems(error: ValidationException) -> tuple[Problem, ...]:
    # Query and body never come here (inputs.py is stricter); what is left are headers, cookies and form fields.
    found = [each for each in error.extra or () if isinstance(each, dict)]
    return tuple(
        Problem(
            pointer(*str(each.get("key", "")).split(".")),
            "is missing or has a value this field does not take",
        )
        for each in found
    )
