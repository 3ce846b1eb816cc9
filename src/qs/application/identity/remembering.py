"""Answers that are believed for a moment, so that not every request asks for them again."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

BELIEVED_FOR_S = 3.0
"""How long the good standing of an account, a key or a tenant is taken for granted."""


class Remembered(Generic[T]):
    """At most ``capacity`` answers, the least recently kept forgotten first. Times are seconds of ``monotonic``."""

    def __init__(self, monotonic: Callable[[], float], capacity: int = 10_000) -> None:
        self._monotonic = monotonic
        self._capacity = capacity
        self._kept: OrderedDict[Hashable, tuple[T, float]] = OrderedDict()

    def now(self) -> float:
        return self._monotonic()

    def get(self, key: Hashable) -> T | None:
        """The answer that was kept under ``key`` until later than now."""
        found = self._kept.get(key)
        return found[0] if found is not None and self._monotonic() < found[1] else None

    def keep(self, key: Hashable, answer: T, until: float) -> None:
        self._kept[key] = (answer, until)
        self._kept.move_to_end(key)
        while len(self._kept) > self._capacity:
            self._kept.popitem(last=False)

    def forget(self, key: Hashable) -> None:
        self._kept.pop(key, None)
