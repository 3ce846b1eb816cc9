"""What all processes count of executions and notices, added up in one hash in Redis.

Workers serve no HTTP, and what a process counted would go with it; so each process adds what it counted to the hash every
two seconds, and whoever answers ``/metrics`` reads the hash. Counting costs the executions nothing. Numbers are whole
(sums are microseconds) and only ever grow; when Redis loses them they begin at zero again, which Prometheus knows for
what it is.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

import structlog
from redis.asyncio import Redis

from qs.application.scheduler.metering import DURATION_S, LATENESS_S, Histogram, Measured, RunTiming
from qs.domain.scheduler.job_execution import RunStatus
from qs.infra.redis.client import ANY_FAILURE

# Other buckets would need another key: what lies in the old ones cannot be told apart.
_KEY = "{qs:jobs:measured}:1"
_ADD_EVERY_S, _AGAIN_AFTER_S, _LAST_WORDS_S = 2.0, 5.0, 1.0
# Queues are named by tenants; a label must not grow without end.
_MOST_QUEUES = 50
_REMEMBERED_S = 3600

# A batch whose answer was lost is sent again and must not count twice.
_ADD = """
if not redis.call('SET', KEYS[2], '1', 'NX', 'EX', ARGV[1]) then return 0 end
for i = 2, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
return 1
"""

_log = structlog.get_logger()


class RedisMeter:
    """Implements Meter and Measurements."""

    def __init__(self, redis: Callable[[], Redis]) -> None:
        """``redis`` is asked for when something is to be written or read, which in many processes is never."""
        self._redis = redis
        self._counts: dict[str, int] = {}
        self._batch: tuple[str, dict[str, int]] | None = None
        self._queues: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._adding: asyncio.Task[None] | None = None

    def timed(self, timing: RunTiming) -> None:
        if timing.lateness_s is not None:
            self._observe("lateness", timing.kind, self._queue(timing.queue), LATENESS_S, timing.lateness_s)
        self._observe("duration", timing.kind, timing.status.value, DURATION_S, timing.duration_s)

    def ended(self, kind: str, status: RunStatus, count: int = 1) -> None:
        self._count(f"ended|{kind}|{status.value}", count)

    def noticed(self, channel: str, outcome: str) -> None:
        self._count(f"notices|{channel}|{outcome}", 1)

    def _observe(self, name: str, kind: str, label: str, bounds: tuple[float, ...], seconds: float) -> None:
        self._count(f"{name}|{kind}|{label}|{bisect_left(bounds, seconds)}", 1)
        self._count(f"{name}|{kind}|{label}|sum", round(seconds * 1_000_000))

    def _queue(self, name: str) -> str:
        if name in self._queues or len(self._queues) < _MOST_QUEUES:
            self._queues.add(name)
            return name
        return "other"

    def _count(self, field: str, by: int) -> None:
        self._counts[field] = self._counts.get(field, 0) + by
        self._add_after(_ADD_EVERY_S)

    def _add_after(self, seconds: float) -> None:
        if self._timer is None:
            with suppress(RuntimeError):  # outside of an event loop nobody adds anything up
                self._timer = asyncio.get_running_loop().call_later(seconds, self._begin)

    def _begin(self) -> None:
        self._adding = asyncio.create_task(self._add_up(), name="meter")

    async def _add_up(self) -> None:
        again = _ADD_EVERY_S
        try:
            await self._write()
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody's work may suffer from being counted
            _log.debug("measurements_wait", error=type(error).__name__)
            again = _AGAIN_AFTER_S
        finally:
            self._timer = None
        if self._batch is not None or self._counts:
            self._add_after(again)

    async def _write(self) -> None:
        while self._batch is not None or self._counts:
            if self._batch is None:
                self._batch, self._counts = (str(uuid4()), self._counts), {}
            name, counts = self._batch
            arguments = [str(each) for pair in counts.items() for each in pair]
            keys = (_KEY, f"{_KEY}:{name}")
            # The client's own types leave open whether it is asynchronous.
            redis: Any = self._redis()
            await redis.eval(_ADD, len(keys), *keys, str(_REMEMBERED_S), *arguments)
            self._batch = None

    async def read(self) -> Measured:
        redis: Any = self._redis()
        found = await redis.hgetall(_KEY)
        return _measured({name.decode(): int(count) for name, count in found.items()})

    async def aclose(self) -> None:
        """Adds up what is left, if that can be done at once."""
        if self._adding is not None:
            await asyncio.wait({self._adding}, timeout=_LAST_WORDS_S)
        if self._timer is not None:
            self._timer.cancel()
        if self._batch is not None or self._counts:
            with suppress(*ANY_FAILURE, TimeoutError):
                async with asyncio.timeout(_LAST_WORDS_S):
                    await self._write()


def _measured(fields: Mapping[str, int]) -> Measured:
    counted: dict[str, dict[tuple[str, str], int]] = {"ended": {}, "notices": {}}
    observed: dict[str, dict[tuple[str, str], dict[str, int]]] = {"lateness": {}, "duration": {}}
    for field, number in fields.items():
        name, first, second, *rest = field.split("|")
        if rest:
            observed[name].setdefault((first, second), {})[rest[0]] = number
        else:
            counted[name][first, second] = number
    return Measured(
        {labels: _histogram(own, len(LATENESS_S)) for labels, own in observed["lateness"].items()},
        {labels: _histogram(own, len(DURATION_S)) for labels, own in observed["duration"].items()},
        counted["ended"],
        counted["notices"],
    )


def _histogram(fields: Mapping[str, int], bounds: int) -> Histogram:
    counts = tuple(fields.get(str(number), 0) for number in range(bounds + 1))
    return Histogram(counts, fields.get("sum", 0) / 1_000_000)
