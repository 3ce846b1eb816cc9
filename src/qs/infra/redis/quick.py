"""Asking Redis where nobody may wait for it: at once while it answers, not at all while it does not."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context
from typing import Any, TypeVar

import structlog
from redis.asyncio import Redis

from qs.infra.redis.client import ANY_FAILURE

T = TypeVar("T")

AGAIN_AFTER_S = 0.5
_PING_S = 2.0
# A process that is late itself must not take Redis for away: it waits again when it woke up late, and looks after what
# has arrived for so many turns of the event loop.
_OVERSLEPT, _MOST_WAITS, _TURNS = 1.5, 20, 50

_log = structlog.get_logger()


class RedisAway(Exception):
    """Redis does not answer now; do without."""


class QuickRedis:
    """A Redis that is asked only while it is known to answer.

    1. A call that fails or outlasts our patience makes Redis away. 2. While it is away calls fail without being made.
    3. Meanwhile it is asked in the background, and once it answers calls are made again.
    """

    def __init__(self, redis: Callable[[], Redis], patience_s: float) -> None:
        """``redis`` is asked for at the first call, which in many processes never comes.

        ``patience_s`` is how long a call may take before whoever made it goes on without its answer.
        """
        self._redis = redis
        self._patience_s = patience_s
        self._asking: asyncio.Task[None] | None = None

    @property
    def client(self) -> Redis:
        return self._redis()

    @property
    def is_away(self) -> bool:
        return self._asking is not None

    async def call(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What ``ask`` answers.

        Raises:
            RedisAway: it failed, took too long, or was not even made.
        """
        if self.is_away:
            raise RedisAway
        asked = asyncio.ensure_future(ask())
        try:
            await self._wait_for(asked)
        finally:
            if not (answered := asked.done()):
                asked.cancel()
        if not answered:
            self._is_gone("no answer in time")
            raise RedisAway
        try:
            return asked.result()
        except ANY_FAILURE as error:
            self._is_gone(type(error).__name__)
            raise RedisAway from error

    async def aclose(self) -> None:
        """Asks no more."""
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking

    async def _wait_for(self, asked: asyncio.Future[Any]) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(_MOST_WAITS):
            began = loop.time()
            await asyncio.wait({asked}, timeout=self._patience_s)
            if asked.done() or loop.time() - began < _OVERSLEPT * self._patience_s:
                break
        for _ in range(_TURNS):
            if asked.done():
                break
            await asyncio.sleep(0)

    def _is_gone(self, why: str) -> None:
        if self._asking is None:
            _log.warning("redis_away", reason=why)
            self._asking = asyncio.create_task(self._until_it_answers(), name="redis-away", context=Context())

    async def _until_it_answers(self) -> None:
        # The client's own types leave open whether it is asynchronous.
        redis: Any = self._redis()
        while True:
            await asyncio.sleep(AGAIN_AFTER_S)
            with suppress(*ANY_FAILURE, TimeoutError):
                async with asyncio.timeout(_PING_S):
                    await redis.ping()
                break
        _log.info("redis_back")
        self._asking = None
