"""How often Python looks for cycles of garbage, in every API and worker process."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

COLLECT_EVERY_S = 30.0


def collect_seldom() -> None:
    """Raises the thresholds of the collector for this process.

    A batch of the sweep makes tens of thousands of objects that die with it, and starting makes as many that stay. At
    Python's own thresholds looking for cycles among them took two fifths of a sweep and a seventh of a start.
    """
    gc.set_threshold(50_000, 20, 20)


@asynccontextmanager
async def collecting(app: object = None) -> AsyncIterator[None]:
    """While it lasts cycles are freed every ``COLLECT_EVERY_S``, among what was made since it began.

    Thresholds count objects, not time. A process that has little to do, or one whose servers come and go, would hold
    tracebacks, and the connections in their frames, for an hour before there were enough of them. What is there at the
    beginning is frozen for good, so that a look takes a few milliseconds.
    """
    gc.collect()
    gc.freeze()
    looking = asyncio.create_task(_look(), name="collect")
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def _look() -> None:
    while True:
        await asyncio.sleep(COLLECT_EVERY_S)
        gc.collect()
