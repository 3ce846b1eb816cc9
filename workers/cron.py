"""The clock of the duties: arq's cron wakes it every few seconds, the slots in PostgreSQL decide what fires.

Nothing rests on arq. A wake-up that comes twice finds the slot taken; when none comes, because Redis is away or
arq's worker ended, the clock looks by itself. Any number of these processes may run.
"""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

from arq.cron import cron

from qs.application.scheduler.firing import DutyFiring
from qs.container import Container
from workers.runtime import Loop, keep_working
from workers.waking import WakeUps

TICK_EVERY_S = 5
# A stop is heeded between two of these.
_LISTEN_S = 0.5
# A holder that died is believed alive for its lease of six seconds; whoever waits for its work should not wait
# for the next wake-up too.
RECOVER_EVERY_S = 1.0
# Shorter than the grace period of the process, so that there is time to give back what does not end.
DRAIN_WITHIN = timedelta(seconds=15)


class DutyClock:
    """Looks for due duties when woken, and by itself when nobody has woken it for a while."""

    def __init__(self, firing: DutyFiring) -> None:
        self._firing = firing
        self._silence_s = 2.0 * TICK_EVERY_S
        self._looked_at = float("-inf")
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """The clock looks at once; whoever calls this neither waits for it nor can break it off."""
        self._woken.set()

    async def listen(self) -> None:
        """Waits a moment for a wake-up; fires what is due when there was one or when there was none for too long.

        The first time it does not wait, so that missed slots are caught up. What is fired goes on in this process
        afterwards.
        """
        silence_ends_in_s = self._looked_at + self._silence_s - time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(max(silence_ends_in_s, 0.0), _LISTEN_S)):
                await self._woken.wait()
        if not self._woken.is_set() and silence_ends_in_s > _LISTEN_S:
            return
        self._woken.clear()
        # Should this look fail, the next one comes without a wake-up.
        self._looked_at = float("-inf")
        await self._firing.fire_due()
        self._looked_at = time.monotonic()

    def watch(self) -> Loop:
        """The step that keeps the clock going, with arq or without."""
        return Loop("watch", self.listen, 0.0)


async def tick(ctx: dict[Any, Any]) -> None:
    """arq's wake-up. arq cancels what it runs when it stops, so the look itself is not its to run."""
    clock: DutyClock = ctx["clock"]
    clock.wake()


WAKE_UPS = WakeUps(
    "qs:arq:clock",
    cron_jobs=(
        cron(
            tick,
            name="tick",
            second=set(range(0, 60, TICK_EVERY_S)),
            timeout=60,
            max_tries=3,
            keep_result=0,
        ),
    ),
)


async def run(container: Container, stop: asyncio.Event) -> None:
    """Fires the duties until ``stop`` is set, then finishes or gives back what it holds."""
    redis_url = container.settings().redis.url
    assert redis_url is not None, "whoever starts a worker has found or started a Redis for it"
    clock = DutyClock(container.duty_firing())
    recovery = Loop("recovery", container.duty_recovery().recover, RECOVER_EVERY_S)
    arq = WAKE_UPS.loop(stop, redis_url, {"clock": clock})
    try:
        await keep_working("cron", [recovery, clock.watch(), arq], container.engine(), stop)
    finally:
        await container.background().drain(DRAIN_WITHIN)


def __getattr__(name: str) -> Any:
    # `arq workers.cron.WorkerSettings` reads the class's own attributes, so they are made when it asks, not at import.
    if name == "WorkerSettings":
        return WAKE_UPS.bare_settings("cron", run)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
