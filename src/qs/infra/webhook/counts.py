"""What all processes sent, added up in one hash in Redis: workers serve no HTTP, so whoever answers ``/metrics`` reads it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import structlog
from redis.asyncio import Redis

from qs.infra.redis.client import ANY_FAILURE

_KEY = "qs:webhooks:outcomes"
_ADD_EVERY_S, _AGAIN_AFTER_S, _LAST_WORDS_S = 2.0, 5.0, 1.0

_log = structlog.get_logger()


class RedisOutcomeCounts:
    """Implements OutcomeCounter and OutcomeCounts. Counting costs the sending nothing.

    What was added by a call whose answer was lost may count twice: these are for people, and the ledger for the rest.
    """

    def __init__(self, redis: Callable[[], Redis]) -> None:
        """``redis`` is asked for when something is to be written or read, which in many processes is never."""
        self._redis = redis
        self._counts: Counter[str] = Counter()
        self._adding: asyncio.Task[None] | None = None

    def sent(self, outcome: str, count: int = 1) -> None:
        self._counts[outcome] += count
        if self._adding is None:
            self._adding = asyncio.create_task(self._add_up(), name="webhook-counts")

    async def read(self) -> Mapping[str, int]:
        # The client's own types leave open whether it is asynchronous.
        redis: Any = self._redis()
        found = await redis.hgetall(_KEY)
        return {name.decode(): int(count) for name, count in found.items()}

    async def aclose(self) -> None:
        """Adds up what is left, if that can be done at once."""
        if self._adding is not None:
            self._adding.cancel()
            await asyncio.gather(self._adding, return_exceptions=True)
        if self._counts:
            with suppress(*ANY_FAILURE, TimeoutError):
                async with asyncio.timeout(_LAST_WORDS_S):
                    await self._write()

    async def _add_up(self) -> None:
        try:
            while self._counts:
                await asyncio.sleep(_ADD_EVERY_S)
                try:
                    await self._write()
                except ANY_FAILURE as error:
                    _log.debug("webhook_counts_wait", error=type(error).__name__)
                    await asyncio.sleep(_AGAIN_AFTER_S)
        finally:
            self._adding = None

    async def _write(self) -> None:
        counts = dict(self._counts)
        pipeline: Any = self._redis().pipeline(transaction=True)
        for name, count in counts.items():
            pipeline.hincrby(_KEY, name, count)
        await pipeline.execute()
        self._counts.subtract(counts)
        self._counts = +self._counts
