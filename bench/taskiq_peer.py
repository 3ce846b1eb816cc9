"""taskiq as a peer: a worker process of its own that is held until the tasks are there, and let go to be measured."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, cast

import psutil
from redis.asyncio import Redis

from bench.processes import running, told
from bench.rivals.recording import REDIS_URL
from bench.venvs import installed, python_with
from bench.world import World

REQUIREMENTS = ("taskiq==0.13.0", "taskiq-redis==1.2.4", "redis[hiredis]==8.1.0")
_MODULE = "bench.rivals.taskiq_noop"
_STREAM = "taskiq"
_RESULTS = "result"
_READY_WITHIN_S = 60.0
_TRIED_EVERY_S = 0.1
# A look takes time from the worker, and the end is seen so much too late at most.
_LOOK_EVERY_S = 0.02
_AT_ONCE = 1000


class TaskiqPeer:
    """One worker process of `taskiq worker` on a Redis stream, in each round a new one.

    Between rounds it stays, stopped by a signal, so that its processor time can be read and others are not disturbed.
    """

    def __init__(self, world: World, python: Path, concurrency: int) -> None:
        self._world = world
        self._python = str(python)
        self._concurrency = concurrency
        self._stack = AsyncExitStack()
        self._pid: int | None = None
        self._keys = 0
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("QS_", "PYTHON"))}
        self._environment: Mapping[str, str] = {**kept, REDIS_URL: world.redis_url}
        world.stack.push_async_callback(self.end)

    @classmethod
    async def installed(cls, world: World, kept: Path, concurrency: int) -> "tuple[TaskiqPeer, list[str]]":
        """It and the versions of what it is made of. Raises PeerAbsent."""
        python = await python_with(REQUIREMENTS, kept)
        return cls(world, python, concurrency), await installed(python)

    async def prepare(self, count: int) -> None:
        """Its worker is ready and held, and so many tasks wait in the stream."""
        await self.end()
        command = (
            *(self._python, "-m", "taskiq", "worker", f"{_MODULE}:broker", "--workers", "1"),
            *("--max-async-tasks", str(self._concurrency), "--log-level", "WARNING"),
        )
        log = self._world.home / "taskiq.log"
        worker = await self._stack.enter_async_context(running(command, self._environment, log=log))
        self._pid = worker.pid
        async with asyncio.timeout(_READY_WITHIN_S):
            while not await self._reads():
                await asyncio.sleep(_TRIED_EVERY_S)
        self._hold()
        await told(_MODULE, self._environment, str(count), python=self._python)
        self._keys = await self._world.container.redis().dbsize()

    async def run(self, count: int) -> int:
        """Lets it go until so many results are stored and nothing is unacknowledged; how many results there are."""
        redis = self._world.container.redis()
        for process in self._processes():
            process.resume()
        while (found := await self._results(redis, count)) < count or await self._unacknowledged(redis):
            await asyncio.sleep(_LOOK_EVERY_S)
        self._hold()
        return found

    async def end(self) -> None:
        """Its worker is gone."""
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._pid = None
        # That it ended by a signal is what was wanted.
        with suppress(RuntimeError):
            await self._stack.aclose()

    def _hold(self) -> None:
        for process in self._processes():
            process.suspend()

    def _processes(self) -> Sequence[psutil.Process]:
        if self._pid is None:
            return []
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self._pid)
            return [parent, *parent.children(recursive=True)]
        return []

    async def _reads(self) -> bool:
        clients = await cast("Any", self._world.container.redis()).client_list()
        return any(client["cmd"] == "xreadgroup" for client in clients)

    async def _results(self, redis: Redis, count: int) -> int:
        """How many results are stored; 0 while there are too few keys, since counting takes time from the worker."""
        if await redis.dbsize() < self._keys + count:
            return 0
        return sum([1 async for _ in redis.scan_iter(f"{_RESULTS}:*", count=_AT_ONCE)])

    async def _unacknowledged(self, redis: Redis) -> int:
        return int((await cast("Any", redis).xpending(_STREAM, _STREAM))["pending"])
