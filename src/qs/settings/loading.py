"""From raw values to settings, every problem named at once."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from qs.settings.checks import find_problems
from qs.settings.errors import SettingsError
from qs.settings.keys import Key, all_keys, build
from qs.settings.sections import Settings
from qs.settings.sources import Given, find_file, read_sources, split_items


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings of the file (``path``, QS_CONFIG, ./qs.yaml, /etc/qs/qs.yaml), overridden by the environment.

    Raises:
        SettingsError: a key is unknown or a value cannot be used; it names every such key and what is expected.
    """
    raw = read_sources(find_file(path, environ), environ)
    values: dict[str, Any] = {}
    for name, given in raw.values.items():
        try:
            values[name] = _convert(all_keys()[name], given.value)
        except ValueError:
            raw.problems.append((name, _refusal(all_keys()[name], given)))
    settings: Settings = build(values)
    # Rules over several keys would only repeat what a bad value already says.
    problems = raw.problems or list(find_problems(settings))
    if problems:
        raise SettingsError(problems)
    return settings


def _convert(key: Key, value: Any) -> Any:
    if key.items:
        items = split_items(value) if isinstance(value, str) else value
        if not isinstance(items, list):
            raise ValueError(value)
        value = tuple(_scalar(key, item) for item in items)
    else:
        value = _scalar(key, value)
    converted = msgspec.convert(value, key.type, strict=False)
    if isinstance(converted, float) and not math.isfinite(converted):
        raise ValueError(value)
    return converted


def _scalar(key: Key, value: Any) -> Any:
    if not key.extra and not key.choices:
        return value
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(value)
    if key.choices:
        return next((choice for choice in key.choices if choice.lower() == value.strip().lower()), value)
    parse = key.extra.get("parse")
    return parse(value.strip()) if parse else value


def _refusal(key: Key, given: Given) -> str:
    if key.secret:
        return f"cannot be used ({given.place}); expected {key.expected}"
    shown = str(given.value)
    if len(shown) > 60:
        shown = shown[:60] + "…"
    return f"is {shown} ({given.place}); expected {key.expected}"
