"""The typed parameters of a listed command: what a job may give, and how that becomes part of an argument."""

import math
import os.path
import re
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath
from typing import Any, Literal, get_args

from qs.infra.scheduler.executors.targets import is_number, is_whole

Kind = Literal["string", "integer", "number", "boolean", "enum", "date", "path_under"]
KINDS: tuple[str, ...] = get_args(Kind)

MOST_LENGTH = 4096
USUAL_LENGTH = 200

_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?([eE][+-]?\d{1,3})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# Line and paragraph separators and the turning of text are controls in all but name.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One parameter. ``low`` and ``high`` bound numbers; ``root`` is the directory a path must stay under."""

    name: str
    kind: Kind
    pattern: re.Pattern[str] | None = None
    low: float | None = None
    high: float | None = None
    max_length: int = USUAL_LENGTH
    values: tuple[str, ...] = ()
    root: str | None = None
    default: Any = None
    required: bool = False
    allow_dash: bool = False

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, in words that do not repeat it; None if nothing is."""
        problem = self._problem_of_kind(value)
        if problem is not None:
            return problem
        text = self.text(value)
        if len(text) > self.max_length:
            return f"is longer than {self.max_length} characters"
        if _CONTROL.search(text):
            return "holds a line break or another control character"
        if text.startswith("-") and not self.allow_dash:
            return "begins with a hyphen, as options do; the list must say allow_dash for that"
        if self.pattern is not None and not self.pattern.fullmatch(text):
            return f"does not match {self.pattern.pattern}"
        return None

    def text(self, value: Any) -> str:
        """How a value without problems is written in an argument."""
        if isinstance(value, bool):
            return "true" if value else "false"
        return value if isinstance(value, str) else str(value)

    def argument(self, value: Any) -> str:
        """What stands in the argument: the text, or of a path the whole path without links.

        Raises:
            ValueError: a symbolic link leads the path out of its directory.
        """
        if self.kind != "path_under":
            return self.text(value)
        root = str(self.root)
        real, home = os.path.realpath(os.path.join(root, self.text(value))), os.path.realpath(root)
        if real != home and not real.startswith(home.rstrip("/") + "/"):
            raise ValueError(f"leads out of {root}")
        return real

    def parse(self, text: str) -> Any:
        """The value that a text of the list stands for, such as a default. Raises ValueError."""
        if self.kind == "integer":
            if not _WHOLE.fullmatch(text):
                raise ValueError("is no whole number")
            return int(text)
        if self.kind == "number":
            return parse_number(text)
        if self.kind == "boolean":
            if text not in ("true", "false"):
                raise ValueError("is neither true nor false")
            return text == "true"
        return text

    def _problem_of_kind(self, value: Any) -> str | None:
        match self.kind:
            case "integer" if not is_whole(value):
                return "must be a whole number"
            case "number" if not is_number(value):
                return "must be a number"
            case "integer" | "number":
                return self._problem_of_size(value)
            case "boolean":
                return None if isinstance(value, bool) else "must be true or false"
            case "enum":
                return None if value in self.values else f"must be one of {', '.join(self.values)}"
        if not isinstance(value, str):
            return "must be a text"
        if not value and (self.pattern is None or self.kind != "string"):
            return "is empty"
        if self.kind == "date":
            return None if _is_date(value) else "must be a date such as 2026-03-09"
        return self._problem_of_path(value) if self.kind == "path_under" else None

    def _problem_of_size(self, value: float) -> str | None:
        if abs(value) >= 2**63:
            return "is too large"
        if self.low is not None and value < self.low:
            return f"must be {self.low:g} or more"
        if self.high is not None and value > self.high:
            return f"must be {self.high:g} or less"
        return None

    def _problem_of_path(self, value: str) -> str | None:
        root = PurePosixPath(str(self.root))
        if ".." in value.split("/"):
            return "must not hold .."
        # An absolute path takes the place of the root, so it must begin with it.
        return None if (root / value).is_relative_to(root) else f"must be a path under {root}"


def parse_number(text: str) -> float:
    """Raises ValueError for what is no finite decimal number."""
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError("is no number")
    return float(text)


def _is_date(text: str) -> bool:
    try:
        return bool(_DATE.fullmatch(text)) and bool(date.fromisoformat(text))
    except ValueError:
        return False
