"""What may be logged of a bug: always where it happened, what it said only when that cannot be somebody's data."""

import sys
import traceback
from typing import Any

# These speak of code. A database error repeats the statement's parameters and the rows in question, and a ValueError
# the text that would not convert.
_SPEAK_OF_CODE = (
    TypeError,
    AttributeError,
    NameError,
    ImportError,
    AssertionError,
    NotImplementedError,
    RuntimeError,
)


def describe_crash(error: BaseException) -> dict[str, Any]:
    """Fields of a log line: the class of the error, its SQLSTATE if it has one, and the stack of its whole chain.

    Of a service that was away there is no stack: every call meanwhile would have one, and none says more than the last.
    """
    chain = _chain(error)
    described: dict[str, Any] = {"error": type(error).__name__}
    if sqlstate := next((state for each in chain if (state := getattr(each, "sqlstate", None))), None):
        described["sqlstate"] = sqlstate
    if not _says_that_something_was_away(error):
        described["stack"] = "\n".join(_describe(each) for each in reversed(chain))
    return described


def _says_that_something_was_away(error: BaseException) -> bool:
    # A driver that was never imported has raised nothing, and importing it would take longer than most verbs.
    if "sqlalchemy" not in sys.modules:
        return False
    from qs.infra.postgres.failures import is_away

    return is_away(error)


def _describe(error: BaseException) -> str:
    said = f": {error}" if isinstance(error, _SPEAK_OF_CODE) else ""
    return f"{''.join(traceback.format_tb(error.__traceback__))}{type(error).__qualname__}{said}"


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what it came from, newest first."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    return chain
