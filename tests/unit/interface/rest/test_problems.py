"""Every failure becomes a problem with one status, and a bug tells the log where it was and the caller nothing."""

import json
from typing import Any

import pytest
import structlog
from litestar import Request
from litestar.exceptions import (
    ClientException,
    HTTPException,
    InternalServerException,
    MethodNotAllowedException,
    NotFoundException,
    TooManyRequestsException,
    ValidationException,
)
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from msgspec.json import encode

from qs.application.kernel.idempotency import IdempotencyMismatch, RequestInFlight
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
from qs.interface.rest.bodies import UnsupportedMediaType
from qs.interface.rest.parsing import Malformed
from qs.interface.rest.problems import ProblemHandler


class TaskNotDue(Refused):
    code = "task.not_due"
    sentence = "task 7f is planned for later; wait until then"


def answer(
    error: Exception, translate: Any = lambda _: None, **headers: str
) -> tuple[dict[str, Any], dict[str, str]]:
    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    request: Request[Any, Any, Any] = Request(
        {"type": "http", "method": "GET", "path": "/", "headers": encoded, "query_string": b""}  # type: ignore[arg-type]
    )
    response = ProblemHandler(translate)(request, error)
    assert response.media_type == "application/problem+json"
    body = json.loads(encode(response.content))
    assert body["status"] == body["code"] == response.status_code
    return body, response.headers


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Malformed(), 400),
        (Unauthenticated(), 401),
        (Forbidden(), 403),
        (Absent(), 404),
        (Refused(), 409),
        (RequestInFlight(), 409),
        (Gone(), 410),
        (PreconditionFailed(), 412),
        (UnsupportedMediaType(("application/json",)), 415),
        (Invalid([]), 422),
        (IdempotencyMismatch(), 422),
        (Limited(), 429),
        (Unavailable(), 503),
        (QsError(), 500),
        (NotFoundException(), 404),
        (MethodNotAllowedException(), 405),
        (RequestEntityTooLarge(), 413),
        (TooManyRequestsException(), 429),
        (ValidationException(), 422),
        (ClientException("Invalid host header"), 400),
        (InternalServerException(), 500),
        (HTTPException(status_code=418), 500),
        (RuntimeError("x"), 500),
    ],
)
def test_each_category_has_one_status(error: Exception, status: int) -> None:
    assert answer(error)[0]["status"] == status


def test_a_problem_says_everything_twice_so_that_one_client_reads_both_shapes() -> None:
    token = request_id.set("req-1")
    try:
        body, _ = answer(TaskNotDue())
    finally:
        request_id.reset(token)

    assert body == {
        "type": "task-not-due",
        "title": "Task is not due yet",
        "status": 409,
        "detail": "task 7f is planned for later; wait until then",
        "instance": "req-1",
        "error": "task.not_due",
        "code": 409,
        "message": "task 7f is planned for later; wait until then",
    }


def test_invalid_input_lists_its_problems() -> None:
    body, _ = answer(Invalid([Problem("/name", "is missing"), Problem("/n", "must be at least 1")]))

    assert body["errors"] == [
        {"pointer": "/name", "detail": "is missing"},
        {"pointer": "/n", "detail": "must be at least 1"},
    ]


def test_titles_follow_accept_language() -> None:
    body, headers = answer(TaskNotDue(), accept_language="zh-CN")

    assert body["title"] == "任务尚未到期"
    assert headers["Content-Language"] == "zh"
    assert headers["Vary"] == "Accept-Language"


def test_who_may_come_back_is_told_when() -> None:
    assert answer(Limited(retry_after=7))[1]["Retry-After"] == "7"
    assert answer(RequestInFlight())[1]["Retry-After"] == "1"
    assert answer(Unavailable())[1]["Retry-After"] == "2"
    assert answer(TooManyRequestsException(headers={"Retry-After": "9"}))[1]["Retry-After"] == "9"
    assert "Retry-After" not in answer(Refused())[1]


def test_who_is_unknown_is_challenged() -> None:
    class Own(Unauthenticated):
        headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}  # noqa: RUF012 - never changed

    assert answer(Unauthenticated())[1]["WWW-Authenticate"] == "Bearer"
    assert answer(Own())[1]["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_a_products_failure_is_answered_as_the_error_it_amounts_to() -> None:
    body, headers = answer(OSError("10.1.2.3:5432 refused"), lambda _: Unavailable())

    assert (body["status"], body["error"], headers["Retry-After"]) == (503, "unavailable", "2")
    assert "10.1.2.3" not in json.dumps(body)


def test_a_bug_is_logged_with_its_place_and_answered_without_a_word_of_it() -> None:
    with structlog.testing.capture_logs() as lines:
        body, _ = answer(_raised(RuntimeError("the moon is in the wrong house")))

    assert body["error"] == "internal"
    assert "moon" not in json.dumps(body)
    (line,) = lines
    assert (line["event"], line["log_level"], line["error"]) == ("request_failed", "error", "RuntimeError")
    assert "moon" in line["stack"]
    assert "test_problems.py" in line["stack"]


def test_what_a_value_error_says_is_not_logged_because_it_repeats_values() -> None:
    with structlog.testing.capture_logs() as lines:
        answer(_raised(ValueError("badly formed hexadecimal UUID string: hunter2")))

    assert "ValueError" in lines[0]["stack"]
    assert "hunter2" not in str(lines)


def test_the_whole_chain_of_a_bug_is_logged() -> None:
    key = "hunter2"
    try:
        try:
            raise KeyError(key)
        except KeyError as inner:
            raise TypeError("outer") from inner
    except TypeError as error:
        with structlog.testing.capture_logs() as lines:
            answer(error)

    assert "KeyError" in lines[0]["stack"]
    assert "TypeError: outer" in lines[0]["stack"]
    assert "KeyError: " not in lines[0]["stack"]


def test_litestars_own_validation_of_headers_names_the_field() -> None:
    error = ValidationException(extra=[{"message": "Expected `int`, got `str`", "key": "X-Count"}])

    assert answer(error)[0]["errors"] == [
        {"pointer": "/X-Count", "detail": "is missing or has a value this field does not take"}
    ]


def _raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught
