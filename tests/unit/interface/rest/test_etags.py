"""Conditional requests by the version of a row."""

from typing import Any

import pytest
from litestar import Request, Response

from qs.application.kernel.preconditions import PreconditionFailed
from qs.interface.rest.etags import check_if_match, etag, expected_version, versioned


def request(method: str = "GET", **headers: str) -> Request[Any, Any, Any]:
    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": method, "path": "/", "headers": encoded, "query_string": b""})  # type: ignore[arg-type]


def test_a_tag_is_strong_and_says_the_version() -> None:
    assert etag(3) == '"v3"'


def test_the_expected_version_is_read_from_if_match() -> None:
    assert expected_version(request(if_match='"v3"')) == 3


def test_without_if_match_or_with_a_star_no_version_is_expected() -> None:
    assert expected_version(request()) is None
    assert expected_version(request(if_match=" * ")) is None


@pytest.mark.parametrize(
    "header",
    ['W/"v3"', "v3", '"3"', '"v3", "v4"', '"v03"', '"v-1"', "", '"v3', '"v99999999999999999999"', "junk"],
)
def test_a_tag_that_cannot_match_one_row_fails_the_precondition(header: str) -> None:
    with pytest.raises(PreconditionFailed):
        expected_version(request(if_match=header))


def test_if_match_is_checked_against_the_version() -> None:
    check_if_match(request(if_match='"v2", "v3"'), 3)
    check_if_match(request(), 3)
    check_if_match(request(if_match="*"), 3)

    for header in ('"v2"', 'W/"v3"', "garbage"):
        with pytest.raises(PreconditionFailed):
            check_if_match(request(if_match=header), 3)


@pytest.mark.parametrize("header", ['"v3"', 'W/"v3"', '"v1", "v3"', "*"])
def test_a_read_of_what_was_seen_is_answered_without_a_body(header: str) -> None:
    response: Response[Any] = versioned(request(if_none_match=header), {"a": 1}, 3)

    assert (response.status_code, response.content, response.headers["ETag"]) == (304, b"", '"v3"')


@pytest.mark.parametrize("header", ['"v2"', "v3", ""])
def test_a_read_of_something_newer_is_answered_in_full(header: str) -> None:
    response = versioned(request(if_none_match=header), {"a": 1}, 3)

    assert (response.status_code, response.headers["ETag"]) == (200, '"v3"')


def test_a_change_is_never_answered_with_304() -> None:
    assert versioned(request("POST", if_none_match='"v3"'), {}, 3).status_code == 200
