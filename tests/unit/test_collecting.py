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
def seldom(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No look by itself, however much there is."""
    monkeypatch.setattr(collecting, "COLLECT_EVERY_S", 0.01)
    before = gc.get_threshold()
    gc.set_threshold(10**9)
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


async def test_a_knot_is_freed_in_time_and_the_next_as_well() -> None:
    async with collecting.collecting():
        for _ in range(2):
            freed = asyncio.Event()
            weakref.finalize(Knot(), freed.set)
            assert not freed.is_set()
            async with asyncio.timeout(30):
                await freed.wait()


async def test_what_was_there_is_frozen_and_nothing_goes_on_afterwards() -> None:
    async with collecting.collecting():
        assert gc.get_freeze_count() > 10_000

    assert "collect" not in {task.get_name() for task in asyncio.all_tasks()}
