"""Reads the members of an object that a person wrote, one by one, and collects all that is wrong with them."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from qs.domain.kernel.durations import duration_text, parse_duration
from qs.domain.kernel.errors import Problem

MOST_BYTES = 64 * 1024

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")


class Fields:
    """Reads the members of an object one by one and collects what is wrong with them; a null counts as left out."""

    def __init__(
        self, document: Mapping[Any, Any], at: str = "", problems: list[Problem] | None = None
    ) -> None:
        self.problems: list[Problem] = [] if problems is None else problems
        self._left = dict(document)
        self._at = at

    def wrong(self, pointer: str, detail: str) -> None:
        self.problems.append(Problem(self._at + pointer, detail))

    def take(self, key: str) -> Any:
        return self._left.pop(key, None)

    def refuse_unknown(self) -> None:
        for key in self._left:
            escaped = str(key)[:64].replace("~", "~0").replace("/", "~1")
            self.wrong(f"/{escaped}", "is not a field here")

    def done(self, value: T) -> T:
        self.refuse_unknown()
        return value

    def part(self, key: str, short: str | None = None) -> "Fields":
        """The members of an object that is a field; ``short`` is the one meant where a text stands instead."""
        raw = self.take(key)
        if isinstance(raw, str) and short is not None:
            raw = {short: raw}
        if raw is not None and not isinstance(raw, Mapping):
            self.wrong(f"/{key}", "must be an object")
            raw = None
        return Fields(raw or {}, f"{self._at}/{key}", self.problems)

    def bounded(self, pointer: str, value: Any) -> None:
        try:
            size = len(json.dumps(value, allow_nan=False).encode())
        except (TypeError, ValueError, RecursionError):
            self.wrong(pointer, "must hold nothing but JSON values")
            return
        if size > MOST_BYTES:
            self.wrong(pointer, f"must be at most {MOST_BYTES // 1024} KiB as JSON")

    def object(self, key: str) -> Mapping[str, Any]:
        raw = self.take(key)
        if raw is None:
            return {}
        if not isinstance(raw, Mapping) or not all(isinstance(name, str) for name in raw):
            self.wrong(f"/{key}", "must be an object")
            return {}
        self.bounded(f"/{key}", raw)
        return dict(raw)

    def text(self, key: str, most: int, *, required: bool = False) -> str:
        raw = self.take(key)
        if isinstance(raw, int | float) and not isinstance(raw, bool):
            raw = str(raw)
        if raw is None or raw == "":
            if required:
                self.wrong(f"/{key}", "is missing")
            return ""
        if not isinstance(raw, str):
            self.wrong(f"/{key}", "must be a text")
        elif len(raw) > most:
            self.wrong(f"/{key}", f"must be at most {most} characters long")
        elif not _is_printable(raw, multiline=key == "remarks") or (required and not raw.strip()):
            self.wrong(f"/{key}", "must be printable text")
        else:
            return raw
        return ""

    def flag(self, key: str, default: bool) -> bool:
        raw = self.take(key)
        if isinstance(raw, bool):
            return raw
        if raw is not None:
            self.wrong(f"/{key}", "must be true or false")
        return default

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        found = self.whole_or_none(key, low, high)
        return default if found is None else found

    def whole_or_none(self, key: str, low: int, high: int) -> int | None:
        raw = self.take(key)
        if isinstance(raw, int) and not isinstance(raw, bool) and low <= raw <= high:
            return raw
        if raw is not None:
            self.wrong(f"/{key}", f"must be a whole number from {low} to {high}")
        return None

    def fraction(self, key: str, default: float) -> float:
        raw = self.take(key)
        if isinstance(raw, int | float) and not isinstance(raw, bool) and 0 <= raw <= 1:
            return float(raw)
        if raw is not None:
            self.wrong(f"/{key}", "must be a number from 0 to 1")
        return default

    def duration(
        self, key: str, default: timedelta, most: timedelta, *, least: timedelta = timedelta(seconds=1)
    ) -> timedelta:
        found = self.duration_or_none(key, most, least=least)
        return default if found is None else found

    def duration_or_none(
        self, key: str, most: timedelta, *, least: timedelta = timedelta(seconds=1)
    ) -> timedelta | None:
        raw = self.take(key)
        if raw is None:
            return None
        if isinstance(raw, int | float) and not isinstance(raw, bool):
            raw = f"{raw}"
        try:
            length = parse_duration(raw) if isinstance(raw, str) else None
        except ValueError:
            length = None
        if length is None or not least <= length <= most:
            self.wrong(
                f"/{key}",
                f"must be a duration such as 30s or 1h30m, from {duration_text(least)} to {duration_text(most)}",
            )
            return None
        return length

    def instant(self, key: str) -> datetime | None:
        raw = self.take(key)
        if raw is None:
            return None
        with suppress(ValueError, OverflowError):
            # YAML makes instants by itself.
            at = datetime.fromisoformat(raw) if isinstance(raw, str) else raw
            if isinstance(at, datetime) and at.tzinfo is not None:
                return at.astimezone(UTC)
        self.wrong(f"/{key}", "must be an instant with its zone, such as 2026-03-01T09:00:00Z")
        return None

    def choice(self, key: str, kind: type[E], default: E, *, required: bool = False) -> E:
        found = self.one_of(key, tuple(kind), default, required=required)
        return kind(found)

    def one_of(self, key: str, choices: tuple[str, ...], default: Any, *, required: bool = False) -> Any:
        raw = self.take(key)
        if isinstance(raw, str) and raw in choices:
            return raw
        if raw is not None:
            self.wrong(f"/{key}", f"must be one of {', '.join(choices)}")
        elif required:
            self.wrong(f"/{key}", f"is missing; it is one of {', '.join(choices)}")
        return default

    def matching(self, key: str, pattern: re.Pattern[str], default: str, detail: str) -> str:
        raw = self.take(key)
        if isinstance(raw, str) and pattern.fullmatch(raw):
            return raw
        if raw is not None:
            self.wrong(f"/{key}", detail)
        return default

    def texts(self, key: str, most: int, pattern: re.Pattern[str], detail: str, default: Any) -> Any:
        raw = self.take(key)
        if raw is None:
            return default
        if isinstance(raw, str):
            raw = [raw]
        if not isinstance(raw, list | tuple) or len(raw) > most:
            self.wrong(f"/{key}", f"must be a list of at most {most}")
            return default
        for index, each in enumerate(raw):
            if not isinstance(each, str) or not pattern.fullmatch(each):
                self.wrong(f"/{key}/{index}", detail)
                return default
        return tuple(dict.fromkeys(raw))


def _is_printable(text: str, *, multiline: bool) -> bool:
    return all(character.isprintable() or (multiline and character in "\n\t") for character in text)
