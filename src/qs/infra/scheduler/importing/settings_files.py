"""Settings files of other systems as keys with their values: YAML, TOML, or NAME=value lines."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from qs.infra.scheduler.files.strict_yaml import YamlRefused, read_yaml, step
from qs.infra.scheduler.importing.imported import ImportRefused, decoded
from qs.infra.scheduler.importing.settings_sheet import Given, plain

_MOST_BYTES = 1024 * 1024
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def read_settings(content: bytes, *, whole: tuple[str, ...] = ()) -> dict[str, Given]:
    """Every value by its dotted key in plain spelling; what is under a key of ``whole`` stays in one piece.

    Raises:
        ImportRefused: it is none of the three; with the line.
    """
    text = decoded(content, _MOST_BYTES)
    if _is_assignments(text):
        return {plain(given.name): given for given in _assignments(text)}
    if re.search(r"^\s*\[[\w.\"-]+\]\s*(#.*)?$", text, re.MULTILINE):
        return _flat(_toml(text), {}, whole)
    try:
        tree = read_yaml(text)
    except YamlRefused as refused:
        raise ImportRefused(refused.line, refused.detail) from refused
    if not isinstance(tree.value, dict):
        raise ImportRefused(1, "is no settings file; expected keys with their values")
    return _flat(tree.value, tree.lines, whole)


def _is_assignments(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return bool(lines) and all(_ASSIGNMENT.fullmatch(line) for line in lines)


def _assignments(text: str) -> Iterator[Given]:
    for number, line in enumerate(text.splitlines(), 1):
        if (match := _ASSIGNMENT.fullmatch(line)) and not line.lstrip().startswith("#"):
            value = match[2].strip()
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            yield Given(value, match[1], number)


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise ImportRefused(
            int(line[1]) if line else None, f"is not TOML ({error}); correct it and import again"
        ) from error
    except RecursionError as error:
        raise ImportRefused(None, "is nested too deeply; correct it and import again") from error


def _flat(tree: Mapping[str, Any], lines: Mapping[str, int], whole: tuple[str, ...]) -> dict[str, Given]:
    found: dict[str, Given] = {}

    def walk(members: Mapping[str, Any], name: str, at: str) -> None:
        for key, value in members.items():
            dotted, pointer = f"{name}{key}", at + step(key)
            if isinstance(value, Mapping) and value and plain(dotted) not in whole:
                walk(value, f"{dotted}.", pointer)
            else:
                found[plain(dotted)] = Given(value, dotted, lines.get(pointer))

    walk(tree, "", "")
    return found
