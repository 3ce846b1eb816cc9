"""Results that are asked for again and again, kept in as much memory as somebody allowed."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import wraps
from threading import Lock
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def remembered(most: int, weight: Callable[[R], int]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Keeps the results of a pure function that were asked for last, as long as they weigh at most ``most`` together.

    `functools.lru_cache` counts results, of which one may take a hundred times the memory of another. Arguments are given
    by position and must be hashable; what raises is not kept. Threads may share it.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        kept: OrderedDict[Hashable, tuple[R, int]] = OrderedDict()
        lock = Lock()
        total = 0

        @wraps(function)
        def ask(*args: P.args, **kwargs: P.kwargs) -> R:
            nonlocal total
            if kwargs:
                raise TypeError("what is remembered is asked for by position")
            with lock:
                found = kept.get(args)
                if found is not None:
                    kept.move_to_end(args)
                    return found[0]
            result = function(*args, **kwargs)
            size = weight(result)
            with lock:
                if size <= most and args not in kept:
                    kept[args] = result, size
                    total += size
                    while total > most:
                        _, (_, freed) = kept.popitem(last=False)
                        total -= freed
            return result

        return ask

    return decorate
