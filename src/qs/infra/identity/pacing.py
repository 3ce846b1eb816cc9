"""Tries to log in, spaced out over all processes: one script keeps the turns, by Redis' own clock."""

import math
from collections.abc import Callable
from typing import Any

from redis.commands.core import AsyncScript

from qs.application.identity.pacing import (
    FIRST_STEP_S,
    FORGOTTEN_AFTER_S,
    FREE_TRIES,
    LONGEST_QUEUE_S,
    LONGEST_STEP_S,
    Attempt,
    AttemptPacing,
)
from qs.domain.identity.errors import TooManyAttempts
from qs.infra.auth.secrets import KeyedSecrets
from qs.infra.redis.quick import QuickRedis, RedisAway

# KEYS: the record of an attempt. ARGV: the time in ms or ''. Answers 1 or 0, and the ms to wait.
# A turn further ahead than any queue is long was given before the clock was put back.
_RESERVE = f"""
local now = tonumber(ARGV[1])
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local record = redis.call('HMGET', KEYS[1], 'tries', 'turn')
local tries, last = tonumber(record[1]), tonumber(record[2])
if not last or now - last > {FORGOTTEN_AFTER_S * 1000:.0f} or last - now > {LONGEST_QUEUE_S * 1000:.0f} then
    tries, last = 0, -math.huge
end
local step = 0
if tries >= {FREE_TRIES} then
    step = math.min({LONGEST_STEP_S * 1000:.0f}, {FIRST_STEP_S * 1000:.0f} * 2 ^ math.min(tries - {FREE_TRIES}, 10))
end
local turn = math.max(now, last + step)
if turn - now > {LONGEST_QUEUE_S * 1000:.0f} then
    return {{0, turn - now}}
end
redis.call('HSET', KEYS[1], 'tries', tries + 1, 'turn', string.format('%.0f', turn))
redis.call('PEXPIRE', KEYS[1], {(FORGOTTEN_AFTER_S + LONGEST_QUEUE_S) * 1000:.0f})
return {{1, turn - now}}
"""


class RedisPacing:
    """Implements Pacing across processes; without Redis each process spaces out the tries that it sees.

    Who tried is stored as an HMAC: people type passwords where the user name belongs.
    """

    def __init__(
        self,
        redis: QuickRedis,
        local: AttemptPacing,
        secrets: KeyedSecrets,
        *,
        clock_ms: Callable[[], int] | None = None,
    ) -> None:
        """``clock_ms`` stands in for Redis' clock."""
        self._redis = redis
        self._local = local
        self._secrets = secrets
        self._clock_ms = clock_ms
        self._reserve: AsyncScript | None = None

    async def reserve(self, attempt: Attempt) -> float:
        if self._reserve is None:
            self._reserve = self._redis.client.register_script(_RESERVE)
        reserve, key = self._reserve, self._key(attempt)
        now = self._clock_ms() if self._clock_ms else ""
        try:
            allowed, wait_ms = await self._redis.call(lambda: reserve(keys=[key], args=[now]))
        except RedisAway:
            return await self._local.reserve(attempt)
        if not allowed:
            raise TooManyAttempts(math.ceil(wait_ms / 1000))
        return float(wait_ms) / 1000

    async def succeeded(self, attempt: Attempt) -> None:
        await self._local.succeeded(attempt)
        # The client's own types leave open whether it is asynchronous.
        redis: Any = self._redis.client
        try:
            await self._redis.call(lambda: redis.delete(self._key(attempt)))
        except RedisAway:
            return

    def _key(self, attempt: Attempt) -> str:
        return "qs:login:" + self._secrets.digest("\0".join(attempt)).hex()
