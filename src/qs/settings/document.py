"""The settings file: the part of YAML that says what it means, everything else refused by line.

Scalars stay text until their key says what they are, so that a password 0123 or a country `no` is what was written.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from qs.settings.errors import SettingsError

_LARGEST_BYTES = 1_048_576
_DEEPEST = 20
_EMPTY = frozenset({"", "~", "null", "Null", "NULL"})


class _Refused(Exception):
    def __init__(self, event: yaml.Event, detail: str) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 1
        super().__init__(f"line {line}: {detail}")


def read_document(path: Path) -> dict[str, Any]:
    """The mapping in the file, its scalars as text and empty ones as None; {} for an empty file.

    Raises:
        SettingsError: it cannot be read, is larger than 1 MiB, or is not such a mapping.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(
            [(str(path), f"cannot be read ({error.strerror}); name a file that can")]
        ) from error
    if len(content) > _LARGEST_BYTES:
        raise SettingsError([(str(path), "is larger than 1 MiB; a settings file is a few lines of YAML")])
    try:
        return _document(yaml.parse(content.decode("utf-8-sig"), Loader=yaml.SafeLoader))
    except _Refused as error:
        raise SettingsError([(str(path), str(error))]) from error
    except UnicodeDecodeError as error:
        raise SettingsError([(str(path), "is not UTF-8 text; save it as UTF-8")]) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = str(error.problem).replace("\t", "\\t")
        hint = "; indent with blanks, YAML takes no tabs" if "\\t" in problem else ""
        raise SettingsError([(str(path), f"line {line}: is not YAML ({problem}{hint})")]) from error
    except yaml.YAMLError as error:
        raise SettingsError([(str(path), "holds characters that YAML does not allow")]) from error


def _document(events: Iterator[yaml.Event]) -> dict[str, Any]:
    next(events)
    event = next(events)
    if isinstance(event, yaml.StreamEndEvent):
        return {}
    first = next(events)
    value = _value(first, events, 0)
    next(events)
    event = next(events)
    if not isinstance(event, yaml.StreamEndEvent):
        raise _Refused(event, "a second document begins; keep all settings in one")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _Refused(first, "expected sections such as `server:`, each with its keys")
    return value


def _value(event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Any:
    if depth > _DEEPEST:
        raise _Refused(event, f"is nested deeper than {_DEEPEST} levels")
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise _Refused(event, "anchors and aliases are not read; write the value where it belongs")
    if getattr(event, "tag", None):
        raise _Refused(event, "tags are not read; write the plain value")
    if isinstance(event, yaml.MappingStartEvent):
        return _mapping(events, depth)
    if isinstance(event, yaml.SequenceStartEvent):
        return _sequence(events, depth)
    assert isinstance(event, yaml.ScalarEvent)
    return None if event.style is None and event.value in _EMPTY else event.value


def _mapping(events: Iterator[yaml.Event], depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = _value(event, events, depth + 1)
        if not isinstance(key, str):
            raise _Refused(event, "a key must be a word")
        if key in found:
            raise _Refused(event, f"the key {key!r} stands twice in one section; keep one")
        found[key] = _value(next(events), events, depth + 1)
    return found


def _sequence(events: Iterator[yaml.Event], depth: int) -> list[Any]:
    found = []
    while not isinstance(event := next(events), yaml.SequenceEndEvent):
        found.append(_value(event, events, depth + 1))
    return found
