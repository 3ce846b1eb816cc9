"""JSON from outside, read so that what it says is beyond doubt: one value, one meaning of every key, text that can be kept."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from qs.domain.kernel.errors import Invalid, Problem, QsError

DEEPEST = 32
MOST_PROBLEMS = 100


class Malformed(QsError):
    """The request is no message of ours at all."""

    code = "request.malformed"
    sentence = "the body is not one JSON value in UTF-8, so it was not read; send JSON"


def parse_json(body: bytes) -> Any:
    """The value in ``body``: UTF-8, no key twice, no NaN, no NUL or lone surrogate in text, nested at most 32 deep.

    Raises:
        Malformed: it is not JSON, names a key twice in one object, or is nested deeper.
        Invalid: text holds what no text may.
    """
    try:
        value = json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Malformed(
            f"the body is not JSON from {where} on, so it was not read; send one JSON value"
        ) from error
    except (ValueError, RecursionError) as error:
        raise Malformed from error
    if body.count(b"[") + body.count(b"{") > DEEPEST:
        _check_depth(value)
    # Nothing but an escape can bring NUL or a surrogate into text that was valid UTF-8.
    if b"\\u" in body:
        refuse(_unstorable(value, ""))
    return value


def refuse(problems: Iterable[Problem]) -> None:
    """Raises Invalid when there is any problem; it tells of 100 at most."""
    if found := list(islice(problems, MOST_PROBLEMS)):
        raise Invalid(found)


def pointer(*steps: str | int) -> str:
    """The JSON pointer (RFC 6901) made of these steps."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def is_storable(text: str) -> bool:
    """Whether UTF-8 and PostgreSQL can hold the text: no lone surrogate, no NUL."""
    if text.isascii():
        return "\x00" not in text
    return not any(character == "\x00" or "\ud800" <= character <= "\udfff" for character in text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise Malformed(
            "a key stands twice in one object, so it is unclear which is meant; give each key once"
        )
    return members


def _no_constant(name: str) -> None:
    raise Malformed(f"{name} is not a number in JSON; send a number or null")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [member for each in level for member in _members(each) if isinstance(member, dict | list)]
        if not level:
            return
    raise Malformed(f"the body is nested deeper than {DEEPEST} levels, so it was not read; flatten it")


def _members(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _unstorable(value: Any, at: str) -> Iterator[Problem]:
    if isinstance(value, str) and not is_storable(value):
        yield Problem(at, "must not contain NUL or a lone surrogate")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _unstorable(member, at + pointer(index))
    elif isinstance(value, dict):
        for key, member in value.items():
            if is_storable(key):
                yield from _unstorable(member, at + pointer(key))
            else:
                yield Problem(at, "must not have a key that contains NUL or a lone surrogate")
