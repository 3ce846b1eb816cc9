"""Limits that all processes share: one script counts and decides, so that nobody comes in between.

Redis' own clock says what time it is, as the processes' clocks differ. When it jumps, what lies in its future is
forgotten: a jump gives everybody one limit more at most, and locks nobody out.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass

from redis.commands.core import AsyncScript

from qs.application.kernel.limiting import SLOTS, Limit, LocalLimiter, Verdict
from qs.infra.redis.quick import QuickRedis, RedisAway

_MOST_AT_ONCE = 500

# KEYS: a hash of slot → calls for each charge. ARGV: the time in ms or '', then calls and ms of a slot for each charge.
# Answers per charge: 1 if it is allowed, calls spent, ms until the oldest slot is forgotten.
_SPEND = f"""
local now = tonumber(ARGV[1])
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local answers = {{}}
for i, key in ipairs(KEYS) do
    local most, slot_ms = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
    local current = math.floor(now / slot_ms)
    local used, oldest, forgotten = 0, current, {{}}
    local counts = redis.call('HGETALL', key)
    for n = 1, #counts, 2 do
        local slot = tonumber(counts[n])
        if slot > current or slot < current - {SLOTS} then
            forgotten[#forgotten + 1] = counts[n]
        else
            used = used + tonumber(counts[n + 1])
            oldest = math.min(oldest, slot)
        end
    end
    if #forgotten > 0 then
        redis.call('HDEL', key, unpack(forgotten))
    end
    local allowed = used < most
    if allowed then
        used = used + 1
        redis.call('HINCRBY', key, string.format('%.0f', current), 1)
        redis.call('PEXPIRE', key, ({SLOTS} + 1) * slot_ms)
    end
    answers[#answers + 1] = allowed and 1 or 0
    answers[#answers + 1] = used
    answers[#answers + 1] = (oldest + {SLOTS} + 1) * slot_ms - now
end
return answers
"""


@dataclass(frozen=True, slots=True)
class _Charge:
    subject: str
    limit: Limit
    verdict: asyncio.Future[Verdict]


class RedisLimiter:
    """Implements Limiter across processes; without Redis each of ``processes`` allows its share of a limit.

    What is asked while an answer is on its way goes out together in the next call, so the busier a process is, the less
    a decision costs.
    """

    def __init__(
        self,
        redis: QuickRedis,
        local: LocalLimiter,
        *,
        processes: int,
        clock_ms: Callable[[], int] | None = None,
    ) -> None:
        """``clock_ms`` stands in for Redis' clock."""
        self._redis = redis
        self._local = local
        self._processes = processes
        self._clock_ms = clock_ms
        self._charges: list[_Charge] = []
        self._working: asyncio.Task[None] | None = None
        self._spend: AsyncScript | None = None

    async def spend(self, subject: str, limit: Limit) -> Verdict:
        if self._redis.is_away:
            return await self._spend_alone(subject, limit)
        charge = _Charge(subject, limit, asyncio.get_running_loop().create_future())
        self._charges.append(charge)
        if self._working is None:
            # It works for many requests and belongs to none.
            self._working = asyncio.create_task(self._work(), name="limits", context=Context())
        return await charge.verdict

    async def _work(self) -> None:
        try:
            while self._charges:
                charges, self._charges = self._charges[:_MOST_AT_ONCE], self._charges[_MOST_AT_ONCE:]
                await self._decide(charges)
        finally:
            self._working = None

    async def _decide(self, charges: list[_Charge]) -> None:
        try:
            verdicts = await self._ask(charges)
        except RedisAway:
            verdicts = [await self._spend_alone(each.subject, each.limit) for each in charges]
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            for each in charges:
                if not each.verdict.done():
                    each.verdict.set_exception(error)
            return
        for each, verdict in zip(charges, verdicts, strict=True):
            # Whoever waited for it may have been canceled.
            if not each.verdict.done():
                each.verdict.set_result(verdict)

    async def _ask(self, charges: list[_Charge]) -> list[Verdict]:
        keys = [f"qs:limits:{each.limit.name}:{each.subject}" for each in charges]
        arguments: list[int | str] = [self._clock_ms() if self._clock_ms else ""]
        for each in charges:
            arguments += (each.limit.calls, each.limit.slot_ms)
        if self._spend is None:
            self._spend = self._redis.client.register_script(_SPEND)
        spend = self._spend
        told = await self._redis.call(lambda: spend(keys=keys, args=arguments))
        return [
            Verdict(bool(allowed), max(0, each.limit.calls - used), wait_ms)
            for each, (allowed, used, wait_ms) in zip(
                charges, zip(told[::3], told[1::3], told[2::3], strict=True), strict=True
            )
        ]

    async def _spend_alone(self, subject: str, limit: Limit) -> Verdict:
        return await self._local.spend(subject, limit.divided(self._processes))
