"""What a type says that a value may be, in the words of a problem.

A pattern says nothing to a person, so each ``Meta`` with one says in ``extra={"expected": …}`` what must be true.
"""

from collections.abc import Iterator, Sequence
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from msgspec import Meta, Struct
from msgspec.structs import fields


def choices_at(kind: Any, steps: Sequence[str]) -> list[str]:
    """The values of the enumerations that may stand ``steps`` (names and indices) into a value of that kind."""
    found: list[str] = []
    for leaf in _types_at(kind, steps):
        bare = _bare(leaf)
        if isinstance(bare, type) and issubclass(bare, Enum):
            found += [str(member.value) for member in bare]
        elif get_origin(bare) is Literal:
            found += [str(value) for value in get_args(bare)]
    return found


def expected_at(kind: Any, steps: Sequence[str]) -> str | None:
    """The words for the pattern that a text there must match; None where nobody wrote any."""
    for leaf in _types_at(kind, steps):
        for meta in getattr(leaf, "__metadata__", ()):
            if isinstance(meta, Meta) and meta.pattern is not None:
                return (meta.extra or {}).get("expected")
    return None


def members_of(kind: Any) -> tuple[Any, ...]:
    """What a union is made of, or the type alone; annotations of the whole hold for each part."""
    bare, metadata = _bare(kind), getattr(kind, "__metadata__", ())
    if get_origin(bare) not in (Union, UnionType):
        return (kind,)
    return tuple(Annotated[(each, *metadata)] if metadata else each for each in get_args(bare))


def struct_of(kind: Any) -> type[Struct] | None:
    """The Struct when ``kind`` is one, or one or null."""
    candidates = [bare for bare in map(_bare, members_of(kind)) if bare is not type(None)]
    if len(candidates) == 1 and isinstance(candidates[0], type) and issubclass(candidates[0], Struct):
        return candidates[0]
    return None


def _types_at(kind: Any, steps: Sequence[str]) -> Iterator[Any]:
    for member in members_of(kind):
        bare = _bare(member)
        if not steps:
            yield member
        elif isinstance(bare, type) and issubclass(bare, Struct):
            for field in fields(bare):
                if field.encode_name == steps[0]:
                    yield from _types_at(field.type, steps[1:])
        else:
            for part in get_args(bare):
                yield from _types_at(part, steps[1:])


def _bare(kind: Any) -> Any:
    return kind.__origin__ if hasattr(kind, "__metadata__") else kind
