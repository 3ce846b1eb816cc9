"""Ctrl-C as the way in which a verb ends that would go on for ever."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ended_by_interrupt() -> Iterator[asyncio.Event]:
    """SIGINT ends the block, which must look at the event given before it begins anything again.

    What the block waits for is canceled, and that alone would not do: a cancellation that comes in the same moment as
    an answer can be lost on its way (asyncio.wait_for of Python 3.11 drops it). Each further SIGINT cancels again.
    """
    interrupted = asyncio.Event()
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None

    def interrupt() -> None:
        interrupted.set()
        task.cancel()

    # Also where SIGINT was ignored, as it is in what a script starts in the background.
    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield interrupted
    except asyncio.CancelledError:
        if not interrupted.is_set():
            raise
        task.uncancel()
    finally:
        loop.remove_signal_handler(signal.SIGINT)
