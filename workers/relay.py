"""The relay: publishes recorded events to Redis Streams, and again what no subscriber acknowledged; seals the audit log.

Where a message broker is set up, it hands the same events to that.
"""

import asyncio

from qs.container import Container
from workers.runtime import Loop, keep_working

SEAL_EVERY_S = 1.0


async def run(container: Container, stop: asyncio.Event) -> None:
    """Publishes and seals until ``stop`` is set; any number of processes may run it."""
    publishing = container.publishing()
    loops = [
        Loop("publish", publishing.round, container.settings().events.poll_s),
        Loop("seal", container.audit_sealing().round, SEAL_EVERY_S),
    ]
    if container.settings().mq.type is None:
        await keep_working("relay", loops, container.engine(), stop)
        return
    poll_s = container.settings().events.poll_s
    loops += [
        Loop("forward", container.forwarding().round, poll_s),
        Loop("forward-again", container.forwarding_again().retry, 10 * poll_s),
    ]
    try:
        await keep_working("relay", loops, container.engine(), stop)
    finally:
        await container.event_broker().aclose()
