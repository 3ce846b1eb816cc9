"""Reading the values of an allow-list entry: each is what its key asks for, or wrong by its line."""

import os.path
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from qs.domain.kernel.durations import parse_duration
from qs.infra.scheduler.executors.command_document import Node
from qs.infra.scheduler.executors.command_params import USUAL_LENGTH, parse_number

T = TypeVar("T")

_MOST_VALUES = 200


class Wrong(Exception):
    """A value is not what it must be; the words begin with its line."""

    def __init__(self, node: Node, detail: str) -> None:
        super().__init__(f"line {node.line}: {detail}")


def given(found: Mapping[str, Node], key: str, read: Callable[[Node], T], default: Any) -> Any:
    """The value of a key, or the default where it is not there."""
    return read(found[key]) if key in found else default


def keys(node: Node, known: "frozenset[str] | Mapping[str, object]") -> dict[str, Node]:
    """The values of a mapping that holds no other keys than those known."""
    if not isinstance(node.value, dict):
        raise Wrong(node, "expected keys, each with its value")
    for key, value in node.value.items():
        if key not in known:
            raise Wrong(value, f"{key[:64]} is no key here; known are {', '.join(sorted(known))}")
    return node.value


def mapping(node: Node | None, most: int) -> dict[str, Node]:
    """The values by name; none for nothing."""
    if node is None or node.value is None:
        return {}
    if not isinstance(node.value, dict):
        raise Wrong(node, "expected names, each with its value")
    if len(node.value) > most:
        raise Wrong(node, f"holds more than {most} entries")
    return node.value


def items(node: Node, most: int) -> list[Node]:
    """The values of a list."""
    if not isinstance(node.value, list):
        raise Wrong(node, "expected a list such as [a, b]")
    if len(node.value) > most:
        raise Wrong(node, f"holds more than {most} entries")
    return node.value


def text(node: Node, most: int, *, may_be_empty: bool = False) -> str:
    """A text without NUL."""
    value = "" if node.value is None and may_be_empty else node.value
    if not isinstance(value, str) or len(value) > most or not (value or may_be_empty or node.is_quoted):
        raise Wrong(node, f"expected a text of up to {most} characters")
    if "\0" in value:
        raise Wrong(node, "holds NUL")
    return value


def absolute(node: Node) -> str:
    """A path that needs no reading twice."""
    path = text(node, 1000)
    if not path.startswith("/") or os.path.normpath(path) != path:
        raise Wrong(node, "expected an absolute path without . and .., such as /usr/bin/true")
    return path


def flag(node: Node) -> bool:
    """True or false, as YAML writes them."""
    if node.is_quoted or node.value not in ("true", "false"):
        raise Wrong(node, "expected true or false")
    return node.value == "true"


def number(node: Node) -> float:
    """A finite decimal number."""
    try:
        return parse_number(text(node, 40))
    except ValueError as error:
        raise Wrong(node, str(error)) from error


def between(low: float, high: float) -> Callable[[Node], float]:
    """Reads a number between the two, both included."""

    def read(node: Node) -> float:
        value = number(node)
        if not low <= value <= high:
            raise Wrong(node, f"expected a number from {low:g} to {high:g}")
        return value

    return read


def whole(low: int, high: int) -> Callable[[Node], int]:
    """Reads a whole number between the two, both included."""

    def read(node: Node) -> int:
        value = number(node)
        if not low <= value <= high or value != int(value):
            raise Wrong(node, f"expected a whole number from {low} to {high}")
        return int(value)

    return read


def duration(node: Node) -> timedelta:
    """A length of time, such as 90s, up to a week."""
    try:
        length = parse_duration(text(node, 40))
    except ValueError as error:
        raise Wrong(node, str(error)) from error
    if not timedelta(0) < length <= timedelta(days=7):
        raise Wrong(node, "expected a duration of up to 7d")
    return length


def exits(node: Node) -> list[int]:
    """A list of exit codes."""
    return [whole(0, 255)(item) for item in items(node, 256)]


def texts(node: Node) -> tuple[str, ...]:
    """A list of texts."""
    return tuple(text(item, USUAL_LENGTH) for item in items(node, _MOST_VALUES))


def pattern(node: Node) -> re.Pattern[str]:
    """A regular expression; its classes are those of ASCII."""
    try:
        return re.compile(text(node, 500), re.ASCII)
    except re.error as error:
        raise Wrong(node, f"is no regular expression ({error})") from error
