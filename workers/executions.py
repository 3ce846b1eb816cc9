"""Runs executions of jobs: arq's message wakes it, what waits in PostgreSQL decides what it does.

A message makes a worker claim as much as it has room for; nothing is lost if none arrives, since it looks by itself.
"""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

import structlog
from arq.worker import func

from qs.application.scheduler.job_ports import Wake
from qs.application.scheduler.job_running import JobRunning
from qs.container import Container
from qs.infra.postgres.listening import Listener
from workers.runtime import Loop, keep_working
from workers.waking import WakeUps

_log = structlog.get_logger()

WAKING_FUNCTION = "claim"
LOOK_EVERY_S = 1.0
_STOP_HEEDED_EVERY_S = 0.5
# Shorter than the grace period of the process, so that there is time to give back what does not end.
DRAIN_WITHIN = timedelta(seconds=12)


class RunClaiming:
    """Claims when woken, when there is room again, and by itself once a second."""

    def __init__(self, running: JobRunning) -> None:
        self._running = running
        self._woken = asyncio.Event()
        self._look_at = 0.0

    def wake(self) -> None:
        """Something may be waiting."""
        self._woken.set()

    async def step(self) -> bool:
        """One claim, or a part of the wait before the next."""
        if not self._running.free:
            with suppress(TimeoutError):
                async with asyncio.timeout(_STOP_HEEDED_EVERY_S):
                    await self._running.room()
            return True
        wait_s = self._look_at - time.monotonic()
        if wait_s > 0 and not self._woken.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(min(wait_s, _STOP_HEEDED_EVERY_S)):
                    await self._woken.wait()
            if not self._woken.is_set() and time.monotonic() < self._look_at:
                return True
        self._woken.clear()
        self._look_at = 0.0
        taken = await self._running.take()
        if not taken:
            self._look_at = time.monotonic() + LOOK_EVERY_S
        return True


async def claim(ctx: dict[Any, Any]) -> None:
    """arq's wake-up. arq cancels what it runs when it stops, so the claim itself is not its to run."""
    claiming: RunClaiming = ctx["claiming"]
    claiming.wake()


WAKE_UPS = WakeUps(
    "qs:arq:executions", functions=(func(claim, name=WAKING_FUNCTION, keep_result=0, max_tries=3),)
)


async def run(container: Container, stop: asyncio.Event) -> None:
    """Works on executions until ``stop`` is set, then finishes or gives back what it holds."""
    redis_url = container.settings().redis.url
    assert redis_url is not None, "whoever starts a worker has found or started a Redis for it"
    running, ends, notices = container.job_running(), container.run_ends(), container.notice_sending()
    claiming, beat_now = RunClaiming(running), asyncio.Event()

    def heard(channel: str) -> None:
        claiming.wake() if channel == Wake.RUNS else beat_now.set()

    listener = Listener(container.engine(), [Wake.RUNS, Wake.STOPS], heard)

    async def listen() -> None:
        await listener.listen(stop)

    def drain(draining: bool) -> None:
        running.pause() if draining else running.go_on()

    async def stay_alive() -> None:
        # What is held is told so whether or not this process is about to end.
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(running.lease.heartbeat.total_seconds()):
                    await beat_now.wait()
            beat_now.clear()
            try:
                await running.beat()
            except Exception as error:  # noqa: BLE001 - whatever keeps one beat from the database, the next may get through
                _log.warning("beat_failed", held=len(running), error=type(error).__name__)

    beating = asyncio.create_task(stay_alive(), name="run-beats")
    writing = asyncio.create_task(ends.keep_writing(), name="run-ends")
    loops = [
        Loop("claim", claiming.step, 0.0),
        Loop("listen", listen, 1.0),
        Loop("notices", notices.send_due, LOOK_EVERY_S),
        WAKE_UPS.loop(stop, redis_url, {"claiming": claiming}),
    ]
    try:
        await keep_working("executions", loops, container.engine(), stop, on_drain=drain)
    finally:
        await asyncio.gather(running.drain(DRAIN_WITHIN), notices.drain(DRAIN_WITHIN))
        for task in (beating, writing):
            task.cancel()
        await asyncio.gather(beating, writing, return_exceptions=True)
        for executor in container.job_executors().values():
            await executor.aclose()


def __getattr__(name: str) -> Any:
    # `arq workers.executions.WorkerSettings` reads the class's own attributes: made when it asks, not at import.
    if name == "WorkerSettings":
        return WAKE_UPS.bare_settings("executions", run)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
