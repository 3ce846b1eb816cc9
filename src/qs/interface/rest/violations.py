"""msgspec's words for a value that does not fit, as problems with JSON pointers, all of them instead of the first."""

import re
from typing import Any

import msgspec
from msgspec import NODEFAULT
from msgspec.structs import fields

from qs.domain.kernel.errors import Problem
from qs.interface.rest.expectations import choices_at, expected_at, struct_of
from qs.interface.rest.parsing import pointer

_AT = re.compile(r" - at (?:`key` in )?`\$(.*)`$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_MISSING = re.compile(r"Object missing required field `(.+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.+)`", re.DOTALL)
_WRONG_TYPE = re.compile(r"Expected `(.+)`, got `(.+)`")
_LENGTH = re.compile(r"Expected `(str|array|object|bytes)` of length (>=|<=) (\d+)")
_NUMBER = re.compile(r"Expected `(int|float)` (>=|<=|>|<) (\S+)")

_LONGEST_NAME = 64
_TYPES = {
    "str": "text",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
    "uuid": "a UUID",
    "datetime": "an instant such as 2026-03-01T09:00:00Z",
    "date": "a date such as 2026-03-01",
}
_UNITS = {"str": "characters", "array": "items", "object": "members", "bytes": "bytes"}
_BOUNDS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_SENTENCES = {
    "Invalid UUID": "must be a UUID",
    "Invalid RFC3339 encoded datetime": "must be an instant such as 2026-03-01T09:00:00Z",
    "Expected `datetime` with a timezone component": "must carry a zone: end in Z or an offset such as +08:00",
    "Invalid RFC3339 encoded date": "must be a date such as 2026-03-01",
    "Invalid RFC3339 encoded time": "must be a time such as 09:00:00",
    "Invalid ISO8601 duration": "must be a duration such as PT1H",
}


def violations(value: Any, kind: Any, error: msgspec.ValidationError, *, strict: bool) -> list[Problem]:
    """Every problem of an object's fields, the first of each; for anything else the one msgspec found."""
    struct = struct_of(kind)
    if struct is None or not isinstance(value, dict):
        return [_problem(str(error), kind)]
    found: list[Problem] = []
    known = {field.encode_name for field in fields(struct)}
    for field in fields(struct):
        if field.encode_name not in value:
            if field.default is NODEFAULT and field.default_factory is NODEFAULT:
                found.append(Problem(_pointer([field.encode_name]), "is missing"))
            continue
        try:
            msgspec.convert(value[field.encode_name], field.type, strict=strict)
        except msgspec.ValidationError as one:
            nested = violations(value[field.encode_name], field.type, one, strict=strict)
            found += [Problem(_pointer([field.encode_name]) + each.pointer, each.detail) for each in nested]
    found += [Problem(_pointer([name]), "is not a field here") for name in value if name not in known]
    return found or [_problem(str(error), kind)]


def _problem(message: str, kind: Any) -> Problem:
    at = _AT.search(message)
    steps = [name or index for name, index in _STEP.findall(at[1])] if at else []
    text = message[: at.start()] if at else message
    for pattern, detail in ((_MISSING, "is missing"), (_UNKNOWN, "is not a field here")):
        if match := pattern.fullmatch(text):
            return Problem(_pointer([*steps, match[1]]), detail)
    return Problem(_pointer(steps), _detail(text, kind, steps))


def _pointer(steps: list[str]) -> str:
    # A name may be as long as a body; a problem repeats only what a reader needs to find it.
    return pointer(*(step[:_LONGEST_NAME] for step in steps))


def _detail(text: str, kind: Any, steps: list[str]) -> str:
    if text in _SENTENCES:
        return _SENTENCES[text]
    if match := _LENGTH.fullmatch(text):
        return f"must have {_BOUNDS[match[2]]} {match[3]} {_UNITS[match[1]]}"
    if match := _NUMBER.fullmatch(text):
        return f"must be {_BOUNDS[match[2]]} {match[3]}"
    if match := _WRONG_TYPE.fullmatch(text):
        expected = " or ".join(_TYPES.get(each.strip(), each.strip()) for each in match[1].split("|"))
        return f"must be {expected}"
    if text.startswith("Invalid enum value") and (choices := choices_at(kind, steps)):
        return f"must be one of {', '.join(choices)}"
    if text.startswith("Expected `str` matching regex") and (words := expected_at(kind, steps)):
        return f"must be {words}"
    return "has a value this field does not take"
