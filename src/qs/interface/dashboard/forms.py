"""What forms send: read whole, bounded, and only with the key that this session's pages carry."""

import hmac
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request

from qs.interface.dashboard.sessions import ForeignForm, session_of
from qs.interface.rest.parsing import Malformed, is_storable

FORM = "application/x-www-form-urlencoded"
FORM_BYTES = 1_048_576
_MOST_FIELDS = 500
KEY = "form_key"


class Form:
    """The fields of a form by name, as text; blanks around a value are no part of it."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        """The field's value; an empty text where it is left out."""
        return self._fields.get(name, [""])[0].strip()

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def raw(self, name: str) -> str:
        """The value with its blanks, which are part of a password."""
        return self._fields.get(name, [""])[0]

    def all(self, name: str) -> list[str]:
        """Every value of a field that may be chosen several times."""
        return self._fields.get(name, [])

    def given(self, *names: str) -> dict[str, str]:
        """Those of the fields that hold anything."""
        return {name: self[name] for name in names if self[name]}

    def written(self) -> dict[str, str]:
        """Every field as it was typed, for a form that is shown again."""
        return {name: self[name] for name in self}


def number(text: str) -> int | str:
    """A whole number; what is none stays text, for the API to refuse by name."""
    return int(text) if text.lstrip("-").isdecimal() and len(text) < 12 else text


async def read_form(request: Request[Any, Any, Any]) -> Form:
    """The form of a signed-in person.

    Raises:
        Malformed: it cannot be read.
        ForeignForm: it does not carry the key of this session.
    """
    form = await read_public_form(request)
    session = session_of(request)
    if session is None or not hmac.compare_digest(form[KEY].encode(), session.form_key.encode()):
        raise ForeignForm
    return form


async def read_public_form(request: Request[Any, Any, Any]) -> Form:
    """The form of whoever is not signed in yet."""
    body = await request.body()
    if body.count(b"&") >= _MOST_FIELDS:
        raise Malformed(f"the form has more than {_MOST_FIELDS} fields, so it was not read; send fewer")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise Malformed("the form is not percent-encoded UTF-8, so it was not read; encode it so") from None
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        if not is_storable(name) or not is_storable(value):
            raise Malformed("the form holds NUL, so it was not read; leave it out")
        fields.setdefault(name, []).append(value)
    return Form(fields)
