"""Reading the allow-list: a file only its owner can have written, and the part of YAML that says what it means."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from qs.domain.kernel.errors import QsError

_LARGEST_BYTES = 256 * 1024
_DEEPEST = 10
_EMPTY = frozenset({"", "~", "null", "Null", "NULL"})


class CommandFileRefused(QsError):
    """The allow-list as a whole cannot be trusted or read."""

    code = "commands.file_refused"

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"the list of commands {path} {why}, so no command can run; correct it and start again"
        )


@dataclass(frozen=True, slots=True)
class Node:
    """A value and the line it stands in. Scalars are text as written, empty ones None."""

    line: int
    value: "str | list[Node] | dict[str, Node] | None"
    is_quoted: bool = False


class _Refused(Exception):
    def __init__(self, event: yaml.Event, detail: str) -> None:
        super().__init__(f"is refused in line {_line(event)}: {detail}")


def read_document(path: Path, *, uid: int | None = None) -> dict[str, Node]:
    """The entries of the file by name; ``uid`` may own it beside root, by default this user.

    Raises:
        CommandFileRefused: it is a link or no file, others can write to it, it is larger than 256 KiB, or no such YAML.
    """
    content = _trusted(path, os.geteuid() if uid is None else uid)
    try:
        return _document(yaml.parse(content.decode("utf-8-sig"), Loader=yaml.SafeLoader))
    except _Refused as error:
        raise CommandFileRefused(path, str(error)) from error
    except UnicodeDecodeError as error:
        raise CommandFileRefused(path, "is not UTF-8 text") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = str(error.problem).replace("\t", "\\t")
        hint = "; indent with blanks, YAML takes no tabs" if "\\t" in problem else ""
        raise CommandFileRefused(path, f"is not YAML in line {line} ({problem}{hint})") from error
    except yaml.YAMLError as error:
        raise CommandFileRefused(path, "holds characters that YAML does not allow") from error


def _trusted(path: Path, uid: int) -> bytes:
    try:
        # What is looked at must be what is read; and a FIFO must not keep us waiting.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        why = "is a symbolic link" if path.is_symlink() else f"cannot be opened ({error.strerror})"
        raise CommandFileRefused(path, why) from error
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise CommandFileRefused(path, "is not a regular file")
        if found.st_uid not in (0, uid):
            raise CommandFileRefused(path, "belongs neither to root nor to the user of this process")
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise CommandFileRefused(path, "can be written by its group or by anybody (chmod go-w)")
        with open(fd, "rb", closefd=False) as file:
            content = file.read(_LARGEST_BYTES + 1)
    finally:
        os.close(fd)
    if len(content) > _LARGEST_BYTES:
        raise CommandFileRefused(path, "is larger than 256 KiB")
    return content


def _document(events: Iterator[yaml.Event]) -> dict[str, Node]:
    next(events)
    event = next(events)
    if isinstance(event, yaml.StreamEndEvent):
        return {}
    first = next(events)
    node = _node(first, events, 0)
    next(events)
    event = next(events)
    if not isinstance(event, yaml.StreamEndEvent):
        raise _Refused(event, "a second document begins; keep all commands in one")
    if node.value is None:
        return {}
    if not isinstance(node.value, dict):
        raise _Refused(first, "expected names of commands, each with its keys")
    return node.value


def _node(event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
    if depth > _DEEPEST:
        raise _Refused(event, f"is nested deeper than {_DEEPEST} levels")
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise _Refused(event, "anchors and aliases are not read; write the value where it belongs")
    if getattr(event, "tag", None):
        raise _Refused(event, "tags are not read; write the plain value")
    line = _line(event)
    if isinstance(event, yaml.MappingStartEvent):
        return Node(line, _mapping(events, depth))
    if isinstance(event, yaml.SequenceStartEvent):
        found = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            found.append(_node(event, events, depth + 1))
        return Node(line, found)
    assert isinstance(event, yaml.ScalarEvent)
    if event.style is None and event.value in _EMPTY:
        return Node(line, None)
    return Node(line, event.value, event.style is not None)


def _mapping(events: Iterator[yaml.Event], depth: int) -> dict[str, Node]:
    found: dict[str, Node] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = _node(event, events, depth + 1).value
        if not isinstance(key, str):
            raise _Refused(event, "a key must be a word")
        if key in found:
            raise _Refused(event, f"the key {key[:64]!r} stands twice in one place; keep one")
        value = _node(next(events), events, depth + 1)
        # What is indented begins a line below its key, where nobody would look for it.
        found[key] = Node(_line(event), value.value) if isinstance(value.value, dict) else value
    return found


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1
