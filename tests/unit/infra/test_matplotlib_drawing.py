"""Pictures are drawn one at a time in a thread, and a process that draws none does without what draws them."""

import asyncio
import subprocess
import sys
from datetime import date, timedelta

import pytest

from qs.application.statistics.drawing import Heading, Look, Trend
from qs.domain.statistics.errors import DrawingBusy, DrawingMissing
from qs.infra.statistics.matplotlib_drawing import MatplotlibDrawing

DAYS = {date(2025, 4, 1) + timedelta(n): {"opened": n % 7, "completed": n % 5} for n in range(400)}
CHART = Trend(Heading("all plans", "2026-05-06 00:00", "UTC"), DAYS)
LAZILY = """
import asyncio, sys
from qs.application.statistics.drawing import Heading, Look, Trend
from qs.infra.statistics.matplotlib_drawing import MatplotlibDrawing
import qs.container, qs.interface.cli.main, qs.interface.cli.stats, qs.interface.rest.app

drawing = MatplotlibDrawing()
assert drawing.missing() is None
assert not [each for each in sys.modules if each.startswith(("matplotlib", "PIL"))]
asyncio.run(drawing.draw(Trend(Heading("a", "b", "UTC"), {}), Look()))
assert "matplotlib" in sys.modules
assert "matplotlib.pyplot" not in sys.modules
"""


async def test_pictures_asked_for_at_once_are_drawn_one_after_the_other_and_come_out_the_same():
    drawing = MatplotlibDrawing()

    drawn = await asyncio.gather(*(drawing.draw(CHART, Look()) for _ in range(8)))

    assert len({each.content for each in drawn}) == 1
    assert drawn[0].content.startswith(b"<?xml")


async def test_the_event_loop_goes_on_while_a_picture_is_drawn():
    drawing = MatplotlibDrawing()
    turns = 0

    task = asyncio.create_task(drawing.draw(CHART, Look()))
    while not task.done():
        turns += 1
        await asyncio.sleep(0.005)

    assert task.result().is_whole
    assert turns > 3


async def test_more_pictures_than_may_wait_are_refused_until_there_is_room():
    drawing = MatplotlibDrawing(most_waiting=2)
    waiting = [asyncio.create_task(drawing.draw(CHART, Look())) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(DrawingBusy):
        await drawing.draw(CHART, Look())

    await asyncio.gather(*waiting)
    assert (await drawing.draw(CHART, Look())).is_whole


async def test_who_goes_away_makes_room():
    drawing = MatplotlibDrawing(most_waiting=1)
    task = asyncio.create_task(drawing.draw(CHART, Look()))
    await asyncio.sleep(0)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (await drawing.draw(CHART, Look())).is_whole


async def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    drawing = MatplotlibDrawing()

    with pytest.raises(DrawingMissing, match=r"matplotlib is not installed.*pip install 'qs\[plots\]'"):
        await drawing.draw(CHART, Look())

    assert drawing.missing() == "pip install 'qs[plots]'"


def test_the_library_is_loaded_with_the_first_picture():
    done = subprocess.run(
        [sys.executable, "-c", LAZILY], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
