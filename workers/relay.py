"""The relay: publishes recorded events to Redis Streams, and again what no subscriber acknowledged; seals the audit log."""

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
    await keep_working("relay", loops, container.engine(), stop)
