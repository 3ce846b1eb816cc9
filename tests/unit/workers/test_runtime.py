"""Steps of a worker that fail."""

import asyncio

import pytest
from structlog.testing import capture_logs

from workers import runtime


async def told(lasting_s: float, times: int) -> list[int]:
    """The numbers of failures in a row that were logged, of a step that lasts so long and fails so often."""
    stop, ran = asyncio.Event(), 0

    async def step() -> None:
        nonlocal ran
        ran += 1
        if ran == times:
            stop.set()
        await asyncio.sleep(lasting_s)
        raise RuntimeError("cut off")

    with capture_logs() as lines:
        await runtime._repeat("executions", runtime.Loop("listen", step, 0.0), stop)
    return [line["failures"] for line in lines]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_FIRST_PAUSE_S", 0.001)


async def test_failures_in_a_row_are_told_ever_more_rarely() -> None:
    assert await told(lasting_s=0.0, times=5) == [1, 2, 4]


async def test_a_failure_after_long_work_is_told_as_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_FORGIVEN_AFTER_S", 0.2)

    assert await told(lasting_s=0.25, times=3) == [1, 1, 1]
