"""The relay: publishes recorded events to Redis Streams, and again what no subscriber acknowledged."""

import asyncio

from qs.container import Container
from workers.runtime import Loop, keep_working


async def run(container: Container, stop: asyncio.Event) -> None:
    """Publishes until ``stop`` is set; any number of processes may run it."""
    publishing = container.publishing()
    loops = [Loop("publish", publishing.round, container.settings().events.poll_s)]
    await keep_working("relay", loops, container.engine(), stop)
