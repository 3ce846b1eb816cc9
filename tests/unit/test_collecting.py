"""Garbage that only a look for cycles frees does not wait until there is much of it."""

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from qs import collecting


class Knot:
    """Holds itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def seldom() -> Iterator[None]:
    """No look by itself, however much there is."""
    before = gc.get_threshold()
    gc.set_threshold(10**9)
    yield
    gc.set_threshold(*before)


async def test_a_knot_is_freed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "COLLECT_EVERY_S", 0.01)
    freed = asyncio.Event()
    weakref.finalize(Knot(), freed.set)
    assert not freed.is_set()

    looking = asyncio.create_task(collecting.collect_regularly())
    async with asyncio.timeout(30):
        await freed.wait()

    looking.cancel()
