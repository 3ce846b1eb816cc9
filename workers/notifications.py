"""Notifications: events become deliveries, and deliveries messages."""

import asyncio
from datetime import timedelta

from qs.container import Container
from workers.runtime import Loop, keep_working

# A consumer that acknowledged nothing for that long is gone, or so slow that nothing is lost by helping it.
_GONE_AFTER = timedelta(seconds=15)
_READ_WAIT = timedelta(seconds=1)


async def run(container: Container, stop: asyncio.Event) -> None:
    """Announces and sends until ``stop`` is set; any number of processes may run it."""
    poll_s = container.settings().events.poll_s
    announcing = container.announcing()
    loops = [
        Loop("follow", lambda: announcing.follow(_READ_WAIT), 0.0),
        Loop("retry", announcing.retry, poll_s),
        Loop("adopt", lambda: announcing.adopt(_GONE_AFTER), _GONE_AFTER.total_seconds() / 3),
        *(Loop(f"send-{name}", sending.send_due, poll_s) for name, sending in container.sending().items()),
    ]
    await keep_working("notifications", loops, container.engine(), stop)
