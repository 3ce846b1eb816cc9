"""What a plain YAML word stands for: null, true, false, a decimal number, and text in every other case.

A time 02:00, a date, `yes`, `on` and 0755 are text, as they were written.
"""

import re
from typing import Any

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_FLAGS = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)", re.ASCII)
_FRACTION = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+([eE][-+][0-9]+)?", re.ASCII)
_LONGEST_NUMBER = 40


class NumberTooLong(ValueError):
    """More digits than any number here has."""


def plain_value(text: str) -> Any:
    """The value of an unquoted word. Raises NumberTooLong."""
    if text in _NULLS:
        return None
    if text in _FLAGS:
        return _FLAGS[text]
    kind = int if _WHOLE.fullmatch(text) else float if _FRACTION.fullmatch(text) else None
    if kind is None:
        return text
    if len(text) > _LONGEST_NUMBER:
        raise NumberTooLong
    value = kind(text)
    if value in (float("inf"), float("-inf")):
        raise NumberTooLong
    return value
