"""One field of a cron expression: numbers, names, lists, ranges, steps and hashes."""

import re
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from qs.domain.scheduler.triggers.bits import bits
from qs.domain.scheduler.triggers.spec import quoted

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

_HASH = re.compile(r"H(?:\(([0-9]+)-([0-9]+)\))?")


class FieldFault(Exception):
    """One thing wrong with a field; the message names it, the value and a way out."""


@dataclass(frozen=True, slots=True)
class Field:
    """Which values a field takes.

    ``names`` stand for ``low`` and on; ``hash_high`` is the last value ``H`` may become. A value of ``high`` + 1
    is the lowest one again if ``wraps_over``, as 7 is Sunday. ``every`` is how a duration job spells so many
    units of the field, for those who want a step that is too large for it.
    """

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    hash_high: int | None = None
    wraps_over: bool = False
    every: str = ""

    @property
    def size(self) -> int:
        return self.high - self.low + 1

    @property
    def all(self) -> int:
        return bits(range(self.low, self.high + 1))

    def number(self, text: str) -> int:
        """The value that a number or a name stands for. Raises FieldFault."""
        if text in self.names:
            return self.low + self.names.index(text)
        if text.startswith("-"):
            raise self.fault(text, "is negative", f"give {self._expected}")
        if not text.isascii() and any(character.isdigit() for character in text):
            raise self.fault(text, "has digits that are not ASCII", "type 0 to 9 on a plain keyboard")
        if not (text.isascii() and text.isdigit()):
            raise self.fault(
                text, "is not understood", f"give {self._expected}, *, a range a-b, a step a/n or a list"
            )
        value = int(text)
        if not self.low <= value <= self.high + self.wraps_over:
            raise FieldFault(
                f"{self.name} {text[:12]} is not in {self.low}-{self.high}; give {self._expected}"
            )
        return value

    def fault(self, value: str, what: str, way_out: str) -> FieldFault:
        return FieldFault(f"{self.name} {quoted(value)} {what}; {way_out}")

    @property
    def _expected(self) -> str:
        named = f" or a name from {self.names[0]} to {self.names[-1]}" if self.names else ""
        return f"a number from {self.low} to {self.high}{named}"


SECOND = Field("second", 0, 59, every="{}s")
MINUTE = Field("minute", 0, 59, every="{}m")
HOUR = Field("hour", 0, 23, every="{}h")
# Every month has the day that H becomes.
DAY_OF_MONTH = Field("day of month", 1, 31, hash_high=28, every="{}d")
MONTH = Field("month", 1, 12, MONTHS)
DAY_OF_WEEK = Field("day of week", 0, 6, WEEKDAYS, wraps_over=True)
QUARTZ_DAY_OF_WEEK = Field("day of week", 1, 7, WEEKDAYS)


def terms(field: Field, text: str) -> list[str]:
    """The entries of a list. Raises FieldFault for one that is empty."""
    found = text.split(",")
    if "" in found:
        raise field.fault(text, "has an empty entry", "take the spare comma out")
    return found


def numbers(field: Field, text: str, job_id: UUID) -> int:
    """The values of a whole field, as bits. Raises FieldFault."""
    found = 0
    for term in terms(field, text):
        found |= term_numbers(field, term, job_id)
    return found


def term_numbers(field: Field, term: str, job_id: UUID) -> int:
    """The values of one entry of a list, as bits. Raises FieldFault."""
    base, slash, steps = term.partition("/")
    step = _step(field, term, steps) if slash else 1
    if base.startswith("H"):
        return _hashed(field, term, base, step if slash else None, job_id)
    if base == "*":
        first, last = field.low, field.high
    elif "-" in base[1:]:
        lower, _, upper = base.partition("-")
        first, last = field.number(lower), field.number(upper)
    else:
        first = field.number(base)
        last = field.high if slash else first
    if first > last:
        # A range that wraps goes on from the lowest value; 7 for Sunday is that one itself.
        first, last = (field.low, last) if first > field.high else (first, last + field.size)
    return bits(field.low + (value - field.low) % field.size for value in range(first, last + 1, step))


def _step(field: Field, term: str, text: str) -> int:
    if text.startswith("-"):
        raise field.fault(term, "has a negative step", "write how many values to go on by, 1 or more")
    if not (text.isascii() and text.isdigit()):
        raise field.fault(term, "has a step that is no number", "write a/n with n in the digits 0 to 9")
    if (step := int(text)) == 0:
        raise field.fault(
            term, "has a step of 0 and would never go on", "write 1 or more, or leave the step out"
        )
    if step > field.size:
        otherwise = f"use a duration job with schedule {field.every.format(step)}"
        way_out = otherwise if field.every else "list the values instead"
        raise field.fault(
            term, f"has a step of {step}, larger than the {field.size} values of the field", way_out
        )
    return step


def _hashed(field: Field, term: str, base: str, step: int | None, job_id: UUID) -> int:
    if (match := _HASH.fullmatch(base)) is None:
        raise field.fault(term, "is not understood", "write H, H/n, H(a-b) or H(a-b)/n")
    low, high = field.low, field.hash_high or field.high
    if match[1] is not None:
        low, high = field.number(match[1]), field.number(match[2])
        if not low <= high <= field.high:
            raise field.fault(
                term, "has a range that does not rise", f"write H(a-b) within {field.low}-{field.high}"
            )
    digest = int.from_bytes(sha256(job_id.bytes + field.name.encode()).digest()[:8])
    if step is None:
        return 1 << low + digest % (high - low + 1)
    return bits(range(low + digest % min(step, high - low + 1), high + 1, step))
