"""Statements of what must hold of a database, each of which finds the rows that break it."""

from collections.abc import Iterable
from typing import NamedTuple


class Law(NamedTuple):
    """``broken`` of the rows ``of`` some tables is never true; ``what`` is the SQL of a sentence about one of them.

    ``invariant`` is the name under which proof.md promises it.
    """

    invariant: str
    what: str
    of: str
    broken: str


def query(laws: Iterable[Law], prelude: str = "") -> str:
    """One statement that answers ``(invariant, what)`` of every row that breaks one of the laws."""
    each = (
        f"SELECT '{law.invariant}' AS invariant, {law.what} AS what FROM {law.of} WHERE {law.broken}"
        for law in laws
    )
    return prelude + "\nUNION ALL\n".join(each)
