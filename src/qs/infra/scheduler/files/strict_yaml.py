"""YAML that means what it says, with the line of every value; what is ambiguous or a trap is refused by line."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from qs.infra.scheduler.files.scalars import NumberTooLong, plain_value
from qs.infra.scheduler.files.showing import is_secret_name, shown
from qs.infra.scheduler.files.syntax import complaint

LARGEST_BYTES = 1024 * 1024
DEEPEST = 20

_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNSTORABLE = re.compile(r"[\0\ud800-\udfff]")

# The parser in C is twenty times as fast and is in every wheel of PyYAML; a build without it has the other.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlRefused(Exception):
    """The text is not the YAML that is read here; ``line`` counts from 1, ``detail`` says what to do."""

    def __init__(self, line: int, detail: str, value: str | None = None) -> None:
        super().__init__(f"line {line}: {detail}")
        self.line = line
        self.detail = detail
        self.value = value


@dataclass(slots=True)
class Tree:
    """A document as plain values, and by JSON pointer the line that each member begins on."""

    value: Any = None
    lines: dict[str, int] = field(default_factory=dict)
    empty: bool = True
    """Nothing was written at all, not even null."""

    def line_of(self, pointer: str) -> int:
        """The line of the member, or of the nearest one around it that was written."""
        return nearest_line(self.lines, pointer)


def nearest_line(lines: Mapping[str, int], pointer: str) -> int:
    """The line of what the pointer names, or of the nearest thing around it."""
    while pointer and pointer not in lines:
        pointer = pointer.rpartition("/")[0]
    return lines.get(pointer, 1)


def step(key: object) -> str:
    """A key as a step of a JSON pointer, shortened as document_fields.py shortens it."""
    return "/" + str(key)[:64].replace("~", "~0").replace("/", "~1")


def read_yaml(content: bytes | str) -> Tree:
    """The one document in it.

    Words are resolved as scalars.py says. Refused are tabs, keys that stand twice, anchors, aliases, merge keys,
    tags, more than 20 levels, more than 1 MiB, a second document, and what is no UTF-8 text.

    Raises:
        YamlRefused: with the line.
    """
    text = _decoded(content)
    reading = _Reading(text)
    try:
        return reading.document()
    except yaml.MarkedYAMLError as error:
        line, detail = complaint(error, reading.written)
        raise YamlRefused(line, detail, reading.excerpt(line)) from error
    except yaml.YAMLError as error:
        raise YamlRefused(1, "holds characters that YAML does not allow; save it as UTF-8 text") from error


def _decoded(content: bytes | str) -> str:
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if len(data) > LARGEST_BYTES:
        raise YamlRefused(1, f"is {len(data)} bytes, and 1 MiB is the most; make it several files")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise YamlRefused(
            line, f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from error
    if found := _FORBIDDEN.search(text):
        line = text.count("\n", 0, found.start()) + 1
        what = "NUL" if found[0] == "\0" else f"the control character U+{ord(found[0]):04X}"
        raise YamlRefused(line, f"holds {what}, which is no text; take it out")
    return text


class _Reading:
    """One pass over the parser's events."""

    def __init__(self, text: str) -> None:
        self.written = text.splitlines()
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._tree = Tree()

    def excerpt(self, line: int) -> str | None:
        """The line for a sentence; nothing of one that seems to hold a secret."""
        written = self.written[line - 1].strip() if 0 < line <= len(self.written) else ""
        return None if not written or is_secret_name(written) else shown(written)

    def document(self) -> Tree:
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return self._tree
        self._tree.empty = False
        self._tree.value = self._value(next(self._events), "", 0)
        next(self._events)
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._refused(event, "a second document begins here; keep one, without `---` between")
        return self._tree

    def _value(self, event: Any, at: str, depth: int) -> Any:
        self._refuse_traps(event)
        self._tree.lines.setdefault(at, event.start_mark.line + 1)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if depth >= DEEPEST:
            raise self._refused(event, f"is nested deeper than {DEEPEST} levels; write it flatter")
        return (
            self._mapping(at, depth + 1)
            if isinstance(event, yaml.MappingStartEvent)
            else self._list(at, depth + 1)
        )

    def _mapping(self, at: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first: dict[str, int] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event)
            line = event.start_mark.line + 1
            if key in found:
                raise self._refused(
                    event,
                    f"the key {shown(key)} stands twice, in line {first[key]} and in line {line}; keep one",
                )
            first[key] = line
            pointer = at + step(key)
            self._tree.lines.setdefault(pointer, line)
            found[key] = self._value(next(self._events), pointer, depth)
        return found

    def _list(self, at: str, depth: int) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            found.append(self._value(event, f"{at}/{len(found)}", depth))
        return found

    def _key(self, event: Any) -> str:
        self._refuse_traps(event)
        if not isinstance(event, yaml.ScalarEvent):
            raise self._refused(event, "a key must be a word; quote it if it holds brackets or braces")
        if event.value == "<<" and not event.style:
            raise self._refused(event, "merge keys (<<) are not read; write the fields where they belong")
        return str(self._storable(event))

    def _scalar(self, event: Any) -> Any:
        text = self._storable(event)
        if event.style:
            return text
        try:
            return plain_value(text)
        except NumberTooLong:
            raise self._refused(event, "is too long for a number; quote it if it is text") from None

    def _storable(self, event: Any) -> str:
        text: str = event.value
        if _UNSTORABLE.search(text):
            raise self._refused(
                event, "text must not hold NUL or half a character (\\0, \\ud800); take it out"
            )
        return text

    def _refuse_traps(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise self._refused(
                event, "anchors and aliases (& and *) are not read; write the value where it belongs"
            )
        if getattr(event, "tag", None):
            raise self._refused(
                event, "tags (!) are not read; write the plain value, quoted if it begins with !"
            )

    def _refused(self, event: Any, detail: str) -> YamlRefused:
        line = event.start_mark.line + 1
        return YamlRefused(line, detail, self.excerpt(line))
