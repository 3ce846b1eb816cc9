"""Changing the product inside one process, so that a change which no longer fits fails instead of changing nothing."""

import os
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

from sqlalchemy import TextClause

REACHED = "the deliberate bug was reached"
"""Said once by every process in which changed code ran."""

_said_by: set[int] = set()


class Stale(AssertionError):
    """The product no longer has what was to be changed."""


def reached() -> None:
    if os.getpid() not in _said_by:
        _said_by.add(os.getpid())
        # The processes of a world share their second descriptor, which is its log.
        os.write(2, f"{REACHED} by {os.getpid()}\n".encode())


def replace(owner: type | ModuleType, name: str, value: object) -> Any:
    """``owner.name`` is ``value`` from now on; returns what it was."""
    if name not in vars(owner):
        raise Stale(f"{owner.__name__} has no {name} of its own; the bug must follow what became of it")
    original = getattr(owner, name)
    setattr(owner, name, value)
    return original


def replace_call(owner: type | ModuleType, name: str, work: Callable[..., Awaitable[Any]]) -> Any:
    """The coroutine function ``owner.name`` does ``work`` instead; returns what it was."""

    async def changed(*arguments: Any, **named: Any) -> Any:
        reached()
        return await work(*arguments, **named)

    return replace(owner, name, changed)


def without(owner: type | ModuleType | object, name: str, *parts: str) -> None:
    """The statement ``owner.name`` loses the given parts."""
    rewrite(owner, name, *((part, "") for part in parts))


def rewrite(owner: type | ModuleType | object, name: str, *changes: tuple[str, str]) -> None:
    """In the statement ``owner.name`` each first text becomes the second."""
    if name not in vars(owner):
        raise Stale(f"{owner!r} has no {name}")
    statement = getattr(owner, name)
    source: str = statement.text if isinstance(statement, TextClause) else statement
    for old, new in changes:
        if old not in source:
            raise Stale(f"{name} no longer says {old!r}; the bug must follow what became of it")
        source = source.replace(old, new)
    setattr(owner, name, _Telling(source) if isinstance(statement, TextClause) else source)


class _Telling(TextClause):
    """A statement that says when it is executed."""

    inherit_cache = True

    def _execute_on_connection(self, *arguments: Any, **named: Any) -> Any:
        reached()
        return super()._execute_on_connection(*arguments, **named)
