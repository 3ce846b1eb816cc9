"""Pages of lists and cursors of growing histories.

A list that is counted: ``dependencies={"paging": counted_pages}`` and a parameter ``paging: Given[PageRequest]`` read
``?page&page_size``; answer ``success(Page(items, total, paging.page, paging.page_size))``.

A history that only grows: ``?cursor&page_size`` as ``cursor: FromQuery[CursorToken | None] = None`` and
``page_size: FromQuery[PageSize] = 20``; read with ``read_cursor("audit", cursor, datetime, UUID)`` and answered with
``Slice(items, write_cursor("audit", last.at, last.id))``. Ask for one row more than the page to know whether there is
a next one.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Generic, TypeVar, TypeVarTuple, cast

import msgspec
from litestar.di import Provide
from litestar.params import FromQuery
from msgspec import Meta, Struct

from qs.domain.kernel.errors import Invalid, Problem

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

PageNumber = Annotated[int, Meta(ge=1, le=1_000_000, description="Page, counted from 1.")]
PageSize = Annotated[int, Meta(ge=1, le=100, description="Items per page.")]
CursorToken = Annotated[
    str, Meta(min_length=1, max_length=512, description="`next_cursor` of the page before.")
]

_CHECK_BYTES = 6


class Page(Struct, Generic[T]):
    """One page of a list that is counted."""

    items: list[T]
    total: int
    page: int
    page_size: int


class Slice(Struct, Generic[T]):
    """The next piece of a history; ``next_cursor`` is null at its end."""

    items: list[T]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is asked for."""

    page: int
    page_size: int

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.page_size


def _page_request(page: FromQuery[PageNumber] = 1, page_size: FromQuery[PageSize] = 20) -> PageRequest:
    return PageRequest(page, page_size)


counted_pages = Provide(_page_request, sync_to_thread=False)
"""The dependency behind ``paging: Given[PageRequest]``."""


class CursorInvalid(Invalid):
    """The token is none that this listing gave out."""

    code = "cursor.invalid"
    sentence = (
        "the cursor was not given out by this listing; start without one, or use next_cursor as it was given"
    )

    def __init__(self) -> None:
        super().__init__([Problem("/cursor", "must be a next_cursor of this listing, unchanged")])


def write_cursor(listing: str, *position: Any) -> str:
    """The opaque token for a position in a listing: ints, text, UUIDs, aware datetimes.

    It carries a check sum, no signature: a made-up position shows nothing that row-level security does not allow.
    """
    content = msgspec.json.encode(position)
    return urlsafe_b64encode(_check_sum(listing, content) + content).rstrip(b"=").decode()


def read_cursor(listing: str, token: str | None, *types: Any) -> Any:
    """The position behind the token as a tuple of these types; None for no token, the beginning.

    Raises:
        CursorInvalid: the token is not one of ``write_cursor`` for this listing.
    """
    if token is None:
        return None
    try:
        raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        content = raw[_CHECK_BYTES:]
        if raw[:_CHECK_BYTES] != _check_sum(listing, content):
            raise CursorInvalid
        return msgspec.json.decode(content, type=cast("Any", tuple[types]))  # type: ignore[valid-type]
    except (UnicodeEncodeError, binascii.Error, msgspec.DecodeError) as error:
        raise CursorInvalid from error


def _check_sum(listing: str, content: bytes) -> bytes:
    return blake2b(content, digest_size=_CHECK_BYTES, person=listing.encode()[:16]).digest()
