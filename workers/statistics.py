"""Statistics: events become live counters, which are made again whenever they are lost."""

import asyncio
from datetime import timedelta

from qs.container import Container
from workers.runtime import Loop, keep_working

_GONE_AFTER = timedelta(seconds=15)
_READ_WAIT = timedelta(seconds=1)
_LOOK_EVERY_S = 0.25
_FORGET_EVERY_S = 5.0


async def run(container: Container, stop: asyncio.Event) -> None:
    """Counts until ``stop`` is set; any number of processes may run it."""
    counting, mending = container.counting(), container.counter_mending()

    async def mend() -> None:
        await mending.mend_lost()

    loops = [
        Loop("mend", mend, _LOOK_EVERY_S),
        Loop("follow", lambda: counting.follow(_READ_WAIT), 0.0),
        Loop("retry", counting.retry, container.settings().events.poll_s),
        Loop("adopt", lambda: counting.adopt(_GONE_AFTER), _GONE_AFTER.total_seconds() / 3),
        Loop("forget", mending.forget_claims, _FORGET_EVERY_S),
    ]
    await keep_working("statistics", loops, container.engine(), stop)
