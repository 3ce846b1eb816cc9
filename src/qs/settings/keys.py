"""The table of all keys, read off the sections: where each stands, what it holds, and how it is built back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from qs.settings.sections import Section, Settings


@dataclass(frozen=True, slots=True)
class Key:
    """One setting. ``name`` is dotted (``server.port``), ``type`` what msgspec converts its value to."""

    name: str
    type: Any
    items: bool
    """Whether it holds several values, written as a YAML list or with commas."""
    extra: Mapping[str, Any]
    """What the annotation adds: ``expected``, ``parse``, ``secret``, ``url``."""
    choices: tuple[Any, ...] = ()

    @property
    def secret(self) -> bool:
        return bool(self.extra.get("secret"))

    @property
    def variable(self) -> str:
        """The environment variable that overrides it."""
        return "QS_" + self.name.replace(".", "__").upper()

    @property
    def expected(self) -> str:
        """What may stand there, in words."""
        words = str(self.extra.get("expected", "a value"))
        if self.choices:
            words = "one of " + ", ".join(map(str, self.choices))
        return f"a list, each {words}" if self.items else words


@cache
def all_keys() -> Mapping[str, Key]:
    """Every key by its dotted name."""
    return {key.name: key for key in _walk(Settings, "")}


@cache
def all_sections() -> frozenset[str]:
    """The dotted name of every group of keys."""
    return frozenset(
        ".".join(name.split(".")[:n]) for name in all_keys() for n in range(1, name.count(".") + 1)
    )


def build(values: Mapping[str, Any], section: type[Section] = Settings, prefix: str = "") -> Any:
    """The section made of the converted ``values``, which are by dotted name; what is not there keeps its default."""
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(section):
        name = prefix + field.encode_name
        if _is_section(field.type):
            fields[field.name] = build(values, field.type, name + ".")
        elif name in values:
            fields[field.name] = values[name]
    return section(**fields)


def value_of(settings: Settings, name: str) -> Any:
    """What the settings hold under a dotted name."""
    found: Any = settings
    for part in name.split("."):
        field = next(each for each in msgspec.structs.fields(found) if each.encode_name == part)
        found = getattr(found, field.name)
    return found


def _walk(section: type[Section], prefix: str) -> Iterator[Key]:
    for field in msgspec.structs.fields(section):
        name = prefix + field.encode_name
        if _is_section(field.type):
            yield from _walk(field.type, name + ".")
        else:
            yield _key(name, field.type)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


def _key(name: str, kind: Any) -> Key:
    info, extra = _unwrap(inspect.type_info(kind))
    items = isinstance(info, inspect.VarTupleType)
    if isinstance(info, inspect.VarTupleType):
        info, extra = _unwrap(info.item_type)
    choices = tuple(info.values) if isinstance(info, inspect.LiteralType) else ()
    return Key(name, kind, items, extra, choices)


def _unwrap(info: inspect.Type) -> tuple[inspect.Type, Mapping[str, Any]]:
    if isinstance(info, inspect.UnionType):
        info = next(each for each in info.types if not isinstance(each, inspect.NoneType))
    if isinstance(info, inspect.Metadata):
        return info.type, info.extra or {}
    return info, {}
