"""Request bodies: Structs that refuse unknown fields, every field bounded by the types below, every fault with a pointer.

::

    class EnrollBody(Body):
        plan_id: UUID
        testee_id: UUID
        start_date: Day
        new_round: bool = False

    @post("/enroll", opt={"scope": "plans:write"})
    async def enroll(self, data: JSONBody[EnrollBody], …)

A body that may be left out is ``data: JSONBody[ReasonBody | None] = None``. A handler that reads something else than
JSON names it (``opt={"consumes": ("application/json", "text/csv")}``) and reads ``request.body()`` itself. The limit
is 1 MiB; a bulk route sets ``request_max_body_size=BULK_BODY_BYTES``. A route without ``data`` takes an empty body or
an empty object.
"""

from collections.abc import Iterator
from datetime import date, datetime
from math import isfinite
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from qs.domain.kernel.errors import Invalid, Problem, QsError
from qs.interface.rest.parsing import MOST_PROBLEMS, parse_json, pointer, refuse
from qs.interface.rest.violations import violations

BODY_BYTES = 1_048_576
BULK_BODY_BYTES = 16 * BODY_BYTES

_YEARS = range(1900, 2200)
_INT64 = range(-(2**63), 2**63)

# What must be true of a text that has to match a pattern, in words (expectations.py).
_NOT_BLANK = {"expected": "more than blanks"}

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S", extra=_NOT_BLANK)]
Text = Annotated[str, Meta(max_length=2000)]
Reason = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S", extra=_NOT_BLANK)]
Code = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$(?!\n)",
        extra={"expected": "letters, digits and . _ -, and begin with a letter or digit"},
    ),
]
ExternalId = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S", extra=_NOT_BLANK)]
ZoneName = Annotated[str, Meta(min_length=1, max_length=64, description="IANA time zone name.")]
WallTime = Annotated[
    str,
    Meta(
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$(?!\n)",
        examples=["09:00"],
        extra={"expected": "a time of day as HH:MM or HH:MM:SS, 00:00 to 23:59:59"},
    ),
]
Count = Annotated[int, Meta(ge=0, le=2_147_483_647)]
Instant = Annotated[
    datetime, Meta(tz=True, description="RFC 3339, with an offset.", examples=["2026-03-01T09:00:00Z"])
]
Day = Annotated[date, Meta(description="A calendar date.", examples=["2026-03-01"])]


class Body(Struct, kw_only=True, forbid_unknown_fields=True):
    """What request bodies derive from."""


class Nothing(Body):
    """The body of a route that takes none."""


class UnsupportedMediaType(QsError):
    """The body is of a type this route does not read."""

    code = "media_type.unsupported"

    def __init__(self, expected: tuple[str, ...]) -> None:
        super().__init__(
            f"this route does not read a body of that type; send {' or '.join(expected)} in UTF-8"
        )


class UnsupportedEncoding(QsError):
    """The body is compressed; what a small one may grow to is nobody's to choose but ours."""

    code = "media_type.encoded"
    sentence = "this service reads no compressed bodies; send it as it is, without Content-Encoding"
    # RFC 9110 §15.5.16: says that it is the encoding, and which would do.
    headers = {"Accept-Encoding": "identity"}  # noqa: RUF012 - never changed


def read_json(body: bytes, kind: Any) -> Any:
    """``body`` as an instance of ``kind``. Raises Malformed, or Invalid with the problems of all fields."""
    return build(parse_json(body), kind)


def build(value: Any, kind: Any, *, strict: bool = True) -> Any:
    """A parsed value as an instance of ``kind``; not ``strict`` reads numbers and booleans from text, as queries need.

    Raises:
        Invalid: with the problems of all fields, at most 100.
    """
    try:
        result = msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise Invalid(violations(value, kind, error, strict=strict)[:MOST_PROBLEMS]) from error
    refuse(_out_of_bounds(result, ""))
    return result


def _out_of_bounds(value: Any, at: str) -> Iterator[Problem]:
    """Numbers that no column holds, and years that no calendar arithmetic survives once a zone is applied."""
    if value is None or value.__class__ in (str, bool):
        return
    if isinstance(value, Struct):
        for name, alias in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
            yield from _out_of_bounds(getattr(value, name), f"{at}/{alias}")
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from _out_of_bounds(member, at + pointer(key))
    elif isinstance(value, list | tuple | set | frozenset):
        for index, member in enumerate(value):
            yield from _out_of_bounds(member, f"{at}/{index}")
    elif isinstance(value, date) and value.year not in _YEARS:
        yield Problem(at, f"must be between the years {_YEARS.start} and {_YEARS.stop - 1}")
    elif isinstance(value, int) and value not in _INT64:
        yield Problem(at, "must be an integer of at most 64 bits")
    elif isinstance(value, float) and not isfinite(value):
        yield Problem(at, "must be a finite number")
