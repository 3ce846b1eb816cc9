"""From the first request to the last: ready, then draining when asked to end, then ended with nothing left running."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType
from typing import Any

from litestar import Litestar
from litestar.datastructures import State

from qs.application.kernel.background import BackgroundWork


@asynccontextmanager
async def lifecycle(app: Litestar, close: Callable[[Any], Awaitable[None]] | None) -> AsyncIterator[None]:
    """The lifespan of the application.

    1. SIGTERM or SIGINT: ``/health/ready`` says 503, ``state.draining`` is set and no background work begins any
       more, while the server still finishes what it began.
    2. Shutdown: ``close`` ends background work and gives back what the container opened.
    """
    app.state.draining = asyncio.Event()
    with _ready_until_asked_to_end(app.state, app.state.container.background()):
        try:
            yield
        finally:
            app.state.ready = False
            if close is not None:
                await close(app.state.container)


@contextmanager
def _ready_until_asked_to_end(state: State, background: BackgroundWork) -> Iterator[None]:
    state.ready = True
    # Only the main thread may set handlers; elsewhere (tests, embedding) whoever runs the loop ends it.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    servers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def drain(number: int, frame: FrameType | None) -> None:
        state.ready = False
        # What is at work goes on beside the last requests; what would begin now might not end in time.
        background.draining = True
        state.draining.set()
        server = servers[signal.Signals(number)]
        if callable(server):
            server(number, frame)
        elif server == signal.SIG_DFL:
            raise SystemExit(128 + number)

    for number in servers:
        signal.signal(number, drain)
    try:
        yield
    finally:
        for number, server in servers.items():
            if signal.getsignal(number) is drain:
                signal.signal(number, server)
