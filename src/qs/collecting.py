"""How often Python looks for cycles of garbage, in every process of qs."""

import asyncio
import gc

COLLECT_EVERY_S = 30.0


def collect_seldom() -> None:
    """Raises the thresholds of the collector for this process.

    A batch of the sweep makes tens of thousands of objects that die with it, and starting makes as many that stay. At
    Python's own thresholds looking for cycles among them took two fifths of a sweep and a seventh of a start.
    """
    gc.set_threshold(50_000, 20, 20)


def settle() -> None:
    """What this process holds when it has started stays, so that nobody looks through it again."""
    gc.freeze()


async def collect() -> None:
    """Frees the cycles there are: to be called every ``COLLECT_EVERY_S``.

    Thresholds count objects, not time. A process that has little to do, or one whose servers come and go, would hold
    tracebacks, and the connections in their frames, for an hour before there were enough of them. After ``settle`` a look
    takes a few milliseconds.
    """
    gc.collect()


async def collect_regularly() -> None:
    """Until it is canceled."""
    while True:
        await asyncio.sleep(COLLECT_EVERY_S)
        await collect()
