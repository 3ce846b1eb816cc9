"""A worker beside a command that runs in the test's own thread, as it must to be interrupted."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Self

from qs.infra.postgres.engine import create_engine
from tests.integration.jobs.nodes import Node, Scripted
from tests.support.processes import wait_until


class WorkerThread(threading.Thread):
    """Claims, works, rescues and heeds requests in a thread of its own; ``executor`` does what the test says."""

    def __init__(self, database_url: str) -> None:
        super().__init__(name="worker", daemon=True)
        self.executor = Scripted()
        self._database_url = database_url
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = threading.Event()
        self._rounds = 0

    def __enter__(self) -> Self:
        self.start()
        wait_until(lambda: self._rounds, "the worker works")
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self.join(60)

    def release(self) -> None:
        """Lets attempts end that were held."""
        self._do(self.executor.may_end.set)

    def looks_again(self, times: int = 3) -> None:
        """Returns when it has looked for work and for the lost so many times more."""
        until = self._rounds + times
        wait_until(lambda: self._rounds >= until, "the worker looks for work")

    def run(self) -> None:
        asyncio.run(self._work())

    async def _work(self) -> None:
        self._loop = asyncio.get_running_loop()
        engine = create_engine(self._database_url)
        node = Node(engine, self.executor)
        while not self._over.is_set():
            await node.work()
            await node.running.beat()
            await node.rescue.rescue()
            self._rounds += 1
            await asyncio.sleep(0.05)
        await node.close()
        await engine.dispose()

    def _do(self, action: Callable[[], Any]) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(action)
