"""Entity tags from row versions: conditional reads (304) and changes that overwrite nobody (412), RFC 9110 §13.

A handler of an editable resource answers ``versioned(request, data, version)`` and hands ``expected_version(request)``
to the service, which raises PreconditionFailed in the transaction that would change the row.
"""

import re
from typing import Any, TypeVar, cast

from litestar import Request, Response
from litestar.status_codes import HTTP_304_NOT_MODIFIED

from qs.application.kernel.preconditions import PreconditionFailed
from qs.interface.rest.envelope import Success, success

T = TypeVar("T")

_TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?:,|$)')
_VERSION = re.compile(r"v(0|[1-9][0-9]{0,17})")


def etag(version: int) -> str:
    """The strong tag of a row's version, e.g. ``"v3"``."""
    return f'"v{version}"'


def expected_version(request: Request[Any, Any, Any]) -> int | None:
    """The version ``If-Match`` names, None without the header or for ``*``.

    Raises:
        PreconditionFailed: it names no version of ours, a weak tag, or several; none of these can match one row.
    """
    header = request.headers.get("if-match")
    if header is None or header.strip() == "*":
        return None
    tags = _tags(header)
    version = _VERSION.fullmatch(tags[0][1]) if len(tags) == 1 and not tags[0][0] else None
    if version is None:
        raise PreconditionFailed
    return int(version[1])


def check_if_match(request: Request[Any, Any, Any], version: int) -> None:
    """Raises PreconditionFailed unless ``If-Match`` is absent, ``*`` or names this version; weak tags never match."""
    header = request.headers.get("if-match")
    if header is None or header.strip() == "*":
        return
    if (False, etag(version)[1:-1]) not in _tags(header):
        raise PreconditionFailed


def versioned(
    request: Request[Any, Any, Any], data: T, version: int, status: int = 200
) -> Response[Success[T]]:
    """The answer with its ``ETag``; 304 without a body to a read whose ``If-None-Match`` names this version."""
    tag = etag(version)
    if request.method == "GET" and has_seen(request, tag[1:-1]):
        # The type says what a body would hold; a 304 has none.
        return cast(
            "Response[Success[T]]", Response(b"", status_code=HTTP_304_NOT_MODIFIED, headers={"ETag": tag})
        )
    return success(data, status, {"ETag": tag})


def has_seen(request: Request[Any, Any, Any], tag: str) -> bool:
    """Whether ``If-None-Match`` names the tag, given without quotation marks, as a strong or a weak one."""
    header = request.headers.get("if-none-match")
    if header is None:
        return False
    return header.strip() == "*" or any(opaque == tag for _, opaque in _tags(header))


def _tags(header: str) -> list[tuple[bool, str]]:
    """(weak, opaque) of each tag; nothing when the header is not a list of tags."""
    tags: list[tuple[bool, str]] = []
    position = 0
    while position < len(header):
        match = _TAG.match(header, position)
        if match is None:
            return []
        tags.append((match[1] is not None, match[2]))
        position = match.end()
    return tags
