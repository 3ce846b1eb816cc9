"""Looking through a target: bounded fields, and every problem with its JSON pointer."""

import json
import math
from collections.abc import Collection, Mapping
from typing import Any

from qs.domain.kernel.errors import Problem
from qs.domain.scheduler.secrets import name_problem
from qs.infra.scheduler.executors.secrets import references

MOST_BYTES = 64 * 1024
"""How large a body, and a payload on its way to a target, may be."""

_DEEPEST = 32


class Findings:
    """The problems of one target, in the order in which they were found."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, detail: str, *path: str | int) -> None:
        """One problem at that path."""
        steps = (str(step)[:100].replace("~", "~0").replace("/", "~1") for step in path)
        pointer = "".join(f"/{step}" for step in steps)
        self.problems.append(Problem(pointer.encode("utf-8", "replace").decode(), detail))

    def unknown(self, found: Mapping[str, Any], known: Collection[str], *path: str | int) -> None:
        """A problem for each key that is none of those known."""
        for key in list(found)[:20]:
            if key not in known:
                self.add(f"is not known here; known are {', '.join(sorted(known))}", *path, key)

    def text(self, value: Any, most: int, *path: str | int) -> str | None:
        """The value if it is a text of 1 to ``most`` characters that can be written down; else a problem and None."""
        if not isinstance(value, str) or not 1 <= len(value) <= most:
            self.add(f"must be a text of 1 to {most} characters", *path)
        elif "\0" in value or not _encodable(value):
            self.add("holds NUL or half a character", *path)
        else:
            return value
        return None

    def flag(self, value: Any, *path: str | int) -> None:
        if not isinstance(value, bool):
            self.add("must be true or false", *path)

    def mapping(self, value: Any, most: int, *path: str | int) -> Mapping[str, Any]:
        """The value if it maps at most so many texts; else a problem and an empty mapping."""
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            self.add("must map names to values", *path)
        elif len(value) > most:
            self.add(f"holds more than {most} entries", *path)
        else:
            return value
        return {}

    def json(self, value: Any, *path: str | int) -> None:
        """A problem if the value is no JSON, too deep or larger than 64 KiB."""
        if depth(value) > _DEEPEST:
            self.add(f"is nested deeper than {_DEEPEST} levels", *path)
            return
        try:
            written = compact(value)
        except (TypeError, ValueError):
            self.add("is not JSON", *path)
            return
        if len(written) > MOST_BYTES:
            self.add("is larger than 64 KiB", *path)

    def secrets(self, text: str, *path: str | int) -> None:
        """A problem for each ``secret://`` that no name follows."""
        for name in references(text):
            if problem := name_problem(name):
                self.add(f"refers to a secret that {problem}", *path)


def compact(value: Any) -> bytes:
    """JSON without blanks, in UTF-8. Raises ValueError for NaN and for half characters."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def depth(value: Any) -> int:
    """How deep a JSON value is nested; counted without recursion, since it is somebody else's."""
    deepest, level = 0, [value]
    while level and deepest <= _DEEPEST:
        inner: list[Any] = []
        for one in level:
            if isinstance(one, Mapping):
                inner += one.values()
            elif isinstance(one, list | tuple):
                inner += one
        level, deepest = inner, deepest + 1
    return deepest


def is_whole(value: Any) -> bool:
    """Whether it is an integer; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether it is an integer or a finite number."""
    return is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
