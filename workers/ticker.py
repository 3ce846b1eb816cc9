"""The clock of the jobs: fires what is due when it is due or asked for by a message, and looks after what nobody holds.

Nothing is elected: any number of these processes may run, and what one claims the others leave alone.
"""

import asyncio
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from qs.application.scheduler.job_firing import JobFiring
from qs.application.scheduler.job_ports import Wake
from qs.container import Container
from qs.infra.postgres.listening import Listener
from workers.executions import WAKE_UPS, WAKING_FUNCTION
from workers.runtime import Loop, keep_working
from workers.waking import Waker

# Wall clocks may be set: nothing sleeps longer than this on what one of them said.
_LONGEST_SLEEP_S = 1.0
# How long before its slot what becomes due is written, to be committed then; whoever edits it waits as long.
_AHEAD_S = 0.2
_STOP_HEEDED_EVERY_S = 0.5
RESCUE_EVERY_S = 1.0
SOURCES_EVERY_S = 1.0


class JobClock:
    """Fires due jobs, sleeps until the next one is due, and looks again at least once a second."""

    def __init__(self, firing: JobFiring, waker: Waker) -> None:
        self._firing = firing
        self._waker = waker
        self._changed = asyncio.Event()
        self._look_at = 0.0
        self._draining = False

    def drain(self, draining: bool) -> None:
        """Fires nothing while it is drained; other nodes do."""
        self._draining = draining

    def changed(self) -> None:
        """A job was written: the next due one may be another."""
        self._changed.set()

    async def step(self) -> bool:
        """One look, or a part of the sleep before the next; True when there is more to do at once."""
        sleep_s = self._look_at - time.monotonic()
        if sleep_s > 0 and not self._changed.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(min(sleep_s, _STOP_HEEDED_EVERY_S)):
                    await self._changed.wait()
            if not self._changed.is_set() and time.monotonic() < self._look_at:
                return True
        self._changed.clear()
        began = time.monotonic()
        if self._draining:
            self._look_at = began + _LONGEST_SLEEP_S
            return True
        looked = await self._firing.fire_due()
        if looked.dealt_with:
            self._waker.wake()
            # The clock has moved on meanwhile; the next due job is looked up anew.
            self._look_at = 0.0
            return True
        until_next_s = _LONGEST_SLEEP_S
        if looked.due.next_at is not None and not looked.due.stopped and not looked.due.tenants:
            until_next_s = (looked.due.next_at - looked.due.now).total_seconds()
            if until_next_s > _AHEAD_S:
                until_next_s -= _AHEAD_S
            elif until_next_s > 0 and await self._firing.fire_at(looked.due.next_at):
                self._waker.wake()
                self._look_at = 0.0
                return True
        if until_next_s <= 0:
            # What is due is another node's at this moment, or its tenant's clock is stopped.
            until_next_s = _LONGEST_SLEEP_S * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        self._look_at = began + min(until_next_s, _LONGEST_SLEEP_S)
        return True


async def run(container: Container, stop: asyncio.Event) -> None:
    """Fires jobs until ``stop`` is set."""
    redis_url = container.settings().redis.url
    assert redis_url is not None, "whoever starts a worker has found or started a Redis for it"
    waker = Waker(redis_url, WAKE_UPS.queue, WAKING_FUNCTION)
    clock = JobClock(container.job_firing(), waker)
    listener = Listener(container.engine(), [Wake.JOBS], lambda _: clock.changed())

    async def listen() -> None:
        await listener.listen(stop)

    sources = container.job_sources()
    # Switched off by the settings, what waits is still done and what is lost still found.
    clocks = [Loop("fire", clock.step, 0.0), Loop("sources", sources.look, SOURCES_EVERY_S)]
    loops = [
        *(clocks if container.settings().scheduler.enabled else []),
        Loop("rescue", container.run_rescue().rescue, RESCUE_EVERY_S),
        Loop("listen", listen, 1.0),
    ]
    if container.settings().mq.accept_jobs:

        async def take_requests() -> None:
            await container.request_queue().consume(container.job_requests().accept, stop)

        loops.append(Loop("requests", take_requests, 0.0))
    with _poked_by_signals(sources.poke):
        try:
            await keep_working("ticker", loops, container.engine(), stop, on_drain=clock.drain)
        finally:
            await waker.aclose()


@contextmanager
def _poked_by_signals(poke: Callable[[], None]) -> Iterator[None]:
    """While the block runs, SIGHUP and SIGUSR1 have everything that declares jobs read anew."""
    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    for number in (signal.SIGHUP, signal.SIGUSR1):
        loop.add_signal_handler(number, poke)
    try:
        yield
    finally:
        for number in (signal.SIGHUP, signal.SIGUSR1):
            loop.remove_signal_handler(number)
