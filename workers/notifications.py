"""Notifications: events become deliveries, and deliveries messages to people and calls of webhook endpoints."""

import asyncio
from datetime import timedelta

from qs.container import Container
from workers.runtime import Loop, keep_working

# A consumer that acknowledged nothing for that long is gone, or so slow that nothing is lost by helping it.
_GONE_AFTER = timedelta(seconds=15)
_READ_WAIT = timedelta(seconds=1)
# Staff should hear of trouble within seconds; nobody can act on it sooner.
_LOOK_EVERY_S, _TELL_EVERY_S = 10.0, 1.0
# What hangs longer is cut off and sent again by another process, within the time that this one may take to end.
_DRAIN_WITHIN = timedelta(seconds=10)


async def run(container: Container, stop: asyncio.Event) -> None:
    """Announces, alerts and sends until ``stop`` is set; any number of processes may run it."""
    poll_s = container.settings().events.poll_s
    announcing = container.announcing()
    fanning_out, webhooks = container.webhook_fanning_out(), container.webhook_sending()
    loops = [
        Loop("follow", lambda: announcing.follow(_READ_WAIT), 0.0),
        Loop("retry", announcing.retry, poll_s),
        Loop("adopt", lambda: announcing.adopt(_GONE_AFTER), _GONE_AFTER.total_seconds() / 3),
        *(Loop(f"send-{name}", sending.send_due, poll_s) for name, sending in container.sending().items()),
        Loop("watch", container.alert_watching().look, _LOOK_EVERY_S),
        Loop("tell", container.alert_telling().tell_due, _TELL_EVERY_S),
        Loop("webhooks-follow", lambda: fanning_out.follow(_READ_WAIT), 0.0),
        Loop("webhooks-retry", fanning_out.retry, poll_s),
        Loop("webhooks-adopt", lambda: fanning_out.adopt(_GONE_AFTER), _GONE_AFTER.total_seconds() / 3),
        Loop("webhooks-send", webhooks.send_due, poll_s),
    ]

    async def drain() -> None:
        await stop.wait()
        await webhooks.drain(_DRAIN_WITHIN)

    async with asyncio.TaskGroup() as group:
        group.create_task(keep_working("notifications", loops, container.engine(), stop))
        group.create_task(drain())
