"""Rows of a JSON file, each with the line it begins on."""

import json
import re
from collections.abc import Collection
from typing import Any

from qs.infra.scheduler.importing.imported import ImportRefused

Row = tuple[int, Any]

_BLANKS = re.compile(r"[ \t\n\r]*")


class _Twice(ValueError):
    pass


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Twice(key)
        found[key] = value
    return found


def _no_number(word: str) -> Any:
    raise ValueError(word)


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_no_number)


def read_json_rows(text: str, keys: Collection[str]) -> list[Row]:
    """The items of a list; of an object the items of the one list in it; an object with one of ``keys`` is a row itself.

    Raises:
        ImportRefused: it is no JSON, or none of these; with the line.
    """
    return _Reading(text).rows(keys)


class _Reading:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._counted = (0, 1)

    def rows(self, keys: Collection[str]) -> list[Row]:
        if self._next() == "[":
            rows = self._items()
        else:
            line, start = self._line(), self._at
            value = self._value()
            if not isinstance(value, dict):
                raise ImportRefused(line, "is neither a list nor an object; export the rows as a JSON list")
            if any(key in value for key in keys):
                rows = [(line, value)]
            else:
                end, self._at = self._at, start
                rows = self._list_in(value)
                self._at = end
        if self._next():
            raise ImportRefused(self._line(), "something follows the JSON; hand in one list")
        return rows

    def _list_in(self, value: dict[str, Any]) -> list[Row]:
        """The items of the one list that the object has."""
        lists = [key for key, each in value.items() if isinstance(each, list)]
        if len(lists) != 1:
            raise ImportRefused(
                self._line(), "the object holds no list of rows, or several; export the rows alone"
            )
        while self._next():
            self._at += 1
            self._next()
            key = self._value()
            self._next()
            self._at += 1
            self._next()
            if key == lists[0]:
                break
            self._value()
        return self._items()

    def _items(self) -> list[Row]:
        rows: list[Row] = []
        self._at += 1
        if self._next() == "]":
            self._at += 1
            return rows
        while True:
            self._next()
            rows.append((self._line(), self._value()))
            mark = self._next()
            if mark not in (",", "]"):
                raise ImportRefused(
                    self._line(), "the list breaks off here; export it again, or add what is missing"
                )
            self._at += 1
            if mark == "]":
                return rows

    def _value(self) -> Any:
        line = self._line()
        try:
            value, self._at = _DECODER.raw_decode(self._text, self._at)
        except json.JSONDecodeError as error:
            raise ImportRefused(error.lineno, f"is not JSON ({error.msg}); export the file again") from error
        except _Twice as error:
            raise ImportRefused(
                line, f"the key {str(error)[:64]!r} stands twice in one object; keep one"
            ) from error
        except RecursionError as error:
            raise ImportRefused(line, "is nested too deeply; export the list of rows alone") from error
        except ValueError as error:
            raise ImportRefused(line, "holds NaN, or a number that is too long; quote it") from error
        return value

    def _next(self) -> str:
        """The next character that is no blank; "" at the end."""
        found = _BLANKS.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._text[self._at : self._at + 1]

    def _line(self) -> int:
        at, line = self._counted
        if at <= self._at:
            self._counted = (self._at, line + self._text.count("\n", at, self._at))
            return self._counted[1]
        return self._text.count("\n", 0, self._at) + 1
